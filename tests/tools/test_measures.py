"""The figures of tools.measures, and the shapes and rings that it counts, on small texts."""

import ast
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from textwrap import dedent
from types import ModuleType
from unittest import TestCase, skipUnless
from unittest.mock import patch

GRIMP = find_spec("grimp")

SUM = """
def total(folder):
    size = 0
    for name in folder:
        if name.endswith(".txt"):
            size += folder[name].size
    print("total", size)
    return size
"""
COUNT = """
def many(people):
    number = 1
    for person in people:
        if person.startswith('A'):
            number += people[person].rank
    log("people", number)  # the same in other words
    return number
"""


class Shapes(TestCase):
    def found(self, *texts: str) -> list[tuple[str, str, int]]:
        from tools.shapes import duplicates

        return list(duplicates((f"{number}.py", dedent(text)) for number, text in enumerate(texts)))

    def test_other_names_are_the_same_shape(self) -> None:
        self.assertEqual(self.found(SUM, COUNT), [("0.py:2", "1.py:2", 7)])

    def test_twice_in_one_file(self) -> None:
        self.assertEqual(self.found(SUM + COUNT), [("0.py:2", "0.py:10", 7)])

    def test_three_places_are_two_pairs(self) -> None:
        self.assertEqual(len(self.found(SUM, COUNT, SUM)), 2)

    def test_five_lines_are_none(self) -> None:
        five = "".join(SUM.splitlines(keepends=True)[:6])
        self.assertEqual(self.found(five, five), [])

    def test_another_operator_or_depth_is_another_shape(self) -> None:
        self.assertEqual(self.found(SUM, SUM.replace("+=", "-=")), [])
        self.assertEqual(self.found(SUM, SUM.replace("    print", "            print")), [])

    def test_a_table_is_none(self) -> None:
        self.assertEqual(self.found("size = of(one)\n" * 20), [])
        calls = "register(one)\n" * 9
        self.assertEqual(self.found(calls, calls), [])

    def test_declarations_are_none(self) -> None:
        fields = """
            import this
            class Some(Base):
                "What it is."
                name: str
                size: int = 5
                links: list[str] = field(default_factory=list)
                when = Attribute("when")
                @property
                def rank(self) -> int: ...
                def move(self, place: str, to: int = 0) -> None:
                    "Moves it."
                def leave(self) -> None:
                    pass
            """
        self.assertEqual(self.found(fields, fields), [])


@skipUnless(GRIMP, "grimp is not installed")
class Cycles(TestCase):
    def test_a_ring_is_told_once_by_its_shortest_way(self) -> None:
        from tools.cycles import rings

        edges = {"a": {"b"}, "b": {"c", "a"}, "c": {"a"}, "d": {"a"}}
        self.assertEqual(rings(edges), [["a", "b", "a"]])

    def test_rings_apart_are_told_apart(self) -> None:
        from tools.cycles import rings

        edges = {"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"c"}}
        self.assertEqual(rings(edges), [["a", "b", "a"], ["c", "d", "c"]])

    def test_packages_that_import_each_other_by_different_modules(self) -> None:
        from grimp import ImportGraph

        from tools.cycles import rings, siblings

        graph = ImportGraph()
        for module in ("top", "top.a", "top.a.one", "top.a.two", "top.b", "top.b.one", "top.b.two"):
            graph.add_module(module)
        graph.add_import(importer="top.a.one", imported="top.b.two")
        self.assertEqual(rings(siblings(graph, "top")), [])
        graph.add_import(importer="top.b.one", imported="top.a.two")
        self.assertEqual(rings(siblings(graph, "top")), [["top.a", "top.b", "top.a"]])


@skipUnless(GRIMP, "grimp is not installed")
class Figures(TestCase):
    def test_nine_of_ten(self) -> None:
        from tools.measures import ninth_tenth

        self.assertEqual(ninth_tenth([]), 0)
        self.assertEqual(ninth_tenth([7]), 7)
        self.assertEqual(ninth_tenth(range(1, 11)), 9)
        self.assertEqual(ninth_tenth(range(1, 12)), 10)

    def test_lines_of_a_function_are_without_its_docstring(self) -> None:
        from tools.measures import function_lines

        (function,) = ast.parse('def f():\n    """Says\n    little.\n    """\n\n    return 1\n').body
        assert isinstance(function, ast.FunctionDef)
        self.assertEqual(function_lines(function), 3)

    def test_errors_are_told_by_their_bases(self) -> None:
        from tools.measures import ERRORS, derived

        text = "class A(base.LibrarianError): ...\nclass B(A, LookupError): ...\nclass C(Other): ..."
        classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
        self.assertEqual(derived(ERRORS, classes) & {"A", "B", "C"}, {"A", "B"})

    def test_errors_and_interfaces_of_other_packages_count_as_bases(self) -> None:
        from tools.measures import ERRORS, INTERFACES, derived

        bases = {"A": "click.ClickException", "B": "HTTPError", "IC": "IObjectEvent", "D": "IOBase"}
        text = "\n".join(f"class {name}({base}): ..." for name, base in bases.items())
        classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
        self.assertEqual(derived(ERRORS, classes) & set(bases), {"A", "B"})
        self.assertEqual(derived(INTERFACES, classes) & set(bases), {"IC"})

    def test_stored_classes_are_told_by_their_bases(self) -> None:
        from tools.measures import STORED, derived

        bases = {
            "A": "Persistent",
            "B": "A",
            "C": "LOBTree",
            "D": "PersistentMapping",
            "E": "PersistentFile",
        }
        text = "\n".join(f"class {name}({base}): ..." for name, base in bases.items())
        classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
        self.assertEqual(derived(STORED, classes) & set(bases), {"A", "B", "C", "D"})

    def test_a_stored_class_belongs_into_a_model(self) -> None:
        from tools import measures

        stored = ast.parse("class Subtree(Persistent): ...")
        paths = ["src/librarian/a/model.py", "src/librarian/a/model/one.py", "src/librarian/tree/indexes.py"]
        wrong = "src/librarian/a/service.py"
        other = ("src/librarian/b/views.py", ast.parse("class Subtree(Page): ..."))
        found = [(path, stored) for path in [*paths, wrong]]
        with patch.object(measures, "modules", lambda: [*found, other]):
            self.assertEqual(
                [(item.where, item.what) for item in measures.stored_outside_models()],
                [(f"{wrong}:1", "Subtree")],
            )

    def test_a_look_up_counts_by_its_own_name_too(self) -> None:
        from tools.measures import look_ups

        for text, count in (
            ("getUtility(IThing)", 1),
            ("registry.queryUtility(IThing)", 1),
            ("from zope.component import getUtility as find", 1),
            ("zope.component.getGlobalSiteManager()", 1),
            ("list(getAdapters((thing,), IThing))", 1),
            ("getAllUtilitiesRegisteredFor(IThing)", 1),
            ("get_utilities(thing)", 0),
        ):
            with self.subTest(text):
                self.assertEqual(len(list(look_ups(ast.parse(text)))), count)

    def test_only_an_enforced_measure_fails(self) -> None:
        from tools.measures import Item, Measure, report

        def items() -> list[Item]:
            return [Item("src/a.py:1", 3, "three"), Item("src/b.py:1", 1, "one")]

        for enforced, wanted, passed in ((True, 4, True), (True, 3, False), (False, 3, True)):
            with self.subTest(enforced=enforced, wanted=wanted), redirect_stdout(StringIO()):
                measure = Measure("things", items, wanted=wanted, enforced=enforced)
                self.assertEqual(report(measure, [], verbose=False), passed)

    def test_offenders_of_a_folder(self) -> None:
        from tools.measures import Item, Measure, report

        def items() -> list[Item]:
            return [
                Item("src/a/x.py:1", 3, "three"),
                Item("src/ab.py:1", 2, "two"),
                Item("src/a/y.py", 0, "none"),
            ]

        with redirect_stdout(StringIO()) as printed:
            report(Measure("things", items), ["src/a"], verbose=True)
        self.assertIn("3  <- enforced", printed.getvalue())
        self.assertIn("src/a/x.py:1: three", printed.getvalue())
        self.assertEqual(len(printed.getvalue().splitlines()), 2)


class Docstrings(TestCase):
    def unexplained(self, text: str) -> list[str]:
        from tools.docstrings import public_functions

        module = ModuleType("sample.module")
        exec(dedent(text), vars(module))  # noqa: S102  # the text is in this file
        return [name for _function, name, explained in public_functions(module) if not explained]

    def test_a_docstring_explains(self) -> None:
        text = """
            def plain(): ...
            def told(): "Says what it returns."
            def _private(): ...
            class Public:
                def method(self): ...
                def told(self): "Says what it returns."
                def _private(self): ...
                @property
                def size(self): ...
                @classmethod
                def of(cls): ...
                @staticmethod
                def make(): "Says what it returns."
            class _Private:
                def method(self): ...
            """
        self.assertEqual(self.unexplained(text), ["plain", "Public.method", "Public.size", "Public.of"])

    def test_the_docstring_of_a_base_class_counts(self) -> None:
        text = """
            class Base:
                def told(self): "Says what it returns."
                def bare(self): ...
            class Derived(Base):
                def told(self): ...
                def bare(self): ...
            """
        self.assertEqual(self.unexplained(text), ["Base.bare", "Derived.bare"])

    def test_what_another_package_defines_is_a_contract(self) -> None:
        text = """
            from io import RawIOBase
            class Reader(RawIOBase):
                def readinto(self, buffer): ...
                def reopen(self): ...
            """
        self.assertEqual(self.unexplained(text), ["Reader.reopen"])

    def test_only_a_documented_name_of_an_interface_is_a_contract(self) -> None:
        text = """
            from zope.interface import Attribute, Interface, implementer
            class IThing(Interface):
                size = Attribute("In bytes.")
                def told(): "Says what it returns."
                def bare(): ...
            @implementer(IThing)
            class Thing:
                @property
                def size(self): ...
                def told(self): ...
                def bare(self): ...
            """
        self.assertEqual(self.unexplained(text), ["Thing.bare"])
