"""The layer contract, on small graphs of imports."""

from importlib.util import find_spec
from unittest import TestCase, skipUnless

MODULES = (
    "librarian",
    "librarian.commands",
    "librarian.library",
    "librarian.library.model.subtree",
    "librarian.spool",
    "librarian.spool.model",
    "librarian.sixth",
    "librarian.sixth.model",
    "librarian.interfaces",
)


@skipUnless(find_spec("importlinter"), "import-linter is not installed")
class Systems(TestCase):
    """`sixth` and `spool` are packages that no layer names."""

    def kept(self, *imports: tuple[str, str], modules: tuple[str, ...] = MODULES) -> bool:
        """Whether the contract holds when each first module imports the second."""
        from grimp import ImportGraph

        from tools.contracts import SystemLayers

        graph = ImportGraph()
        for module in modules:
            graph.add_module(module)
        for importer, imported in imports:
            graph.add_import(importer=importer, imported=imported)
        contract = SystemLayers(
            name="layers",
            session_options={"root_packages": ["librarian"]},
            contract_options={
                "containers": ["librarian"],
                "exhaustive": "true",
                "layers": ["commands", "(systems)", "library", "interfaces"],
            },
        )
        return contract.check(graph, verbose=False).kept

    def test_what_lies_below_may_be_imported(self) -> None:
        self.assertTrue(self.kept(("librarian.sixth.model", "librarian.library.model.subtree")))
        self.assertTrue(self.kept(("librarian.commands", "librarian.sixth.model")))

    def test_nothing_below_imports_a_system(self) -> None:
        self.assertFalse(self.kept(("librarian.library.model.subtree", "librarian.sixth.model")))

    def test_systems_do_not_import_each_other(self) -> None:
        self.assertFalse(self.kept(("librarian.sixth.model", "librarian.spool.model")))
        self.assertFalse(self.kept(("librarian.spool", "librarian.sixth")))

    def test_a_module_that_no_layer_names_is_an_error(self) -> None:
        self.assertFalse(self.kept(modules=(*MODULES, "librarian.stray")))
