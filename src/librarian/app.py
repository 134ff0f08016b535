"""The application: components from the site's ZCML, and the Pyramid router over them."""

import configparser
import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import plaster
from pyramid.config import Configurator
from pyramid.interfaces import IRequestExtensions
from pyramid.registry import Registry
from pyramid.traversal import ResourceTreeTraverser
from pyramid.tweens import EXCVIEW
from zope.component import getGlobalSiteManager, getUtilitiesFor, getUtility
from zope.configuration import xmlconfig
from zope.configuration.config import ConfigurationMachine, resolveConflicts
from zope.configuration.exceptions import ConfigurationError

from librarian.interfaces import ISettings, ISettingsSection, LibrarianError, SettingsError, one_line
from librarian.library.installation import unite
from librarian.mail.settings import MailSettings
from librarian.operations.clocks import compare_at_start
from librarian.security.audit import open_audit_log
from librarian.security.checkers import guard_classes
from librarian.settings import Section, Settings
from librarian.site import SITE, SYSTEMS, site_of, systems_of, zcml_of
from librarian.store.cache.settings import CacheSettings
from librarian.store.interfaces import IByteStore
from librarian.store.settings import StoreSettings
from librarian.tree.interfaces import ITree
from librarian.tree.service import watch_tree
from librarian.tree.settings import TreeSettings
from librarian.web.access_log.middleware import with_access_log
from librarian.web.bare import LastResort
from librarian.web.endpoints import Endpoints, root_factory
from librarian.web.interfaces import IEndpoints

APPLICATION = (
    "librarian.application"  # the feature of ZCML by which it knows that this module starts the library
)

LAYOUT = "librarian.layout"  # the setting that names another template for the frame of every page

#: What an installation writes to unless its ini file names other places: folders beside that file.
PLACES: tuple[tuple[type[Section], str], ...] = (
    (TreeSettings, "database_uri"),
    (StoreSettings, "byte_store"),
    (CacheSettings, "byte_cache"),
    (MailSettings, "queue"),
)

PYRAMID_SETTINGS = {
    # The thread-local transaction manager (pyramid_tm's default) on purpose: mail joins that one.
    "tm.activate_hook": "librarian.web.endpoints.in_transaction",
    "tm.commit_veto": "pyramid_tm.default_commit_veto",
    "tm.annotate_user": "false",
    "retry.attempts": "20",
    "retry.activate_hook": "librarian.web.endpoints.attempts",
    "jinja2.trim_blocks": "true",
    "jinja2.globals": """
        sections = librarian.web.views.sections
        mount = librarian.web.requests.mounting.mount
        when = librarian.web.views.when
        here_of = librarian.web.views.here_of
    """,
}

INCLUDED = (
    "pyramid_zcml",
    "pyramid_jinja2",
    "pyramid_tm",
    "pyramid_retry",
    "librarian.web.protection",
    "librarian.web.requests.methods",
    "librarian.web.requests.parts",
)

# From the innermost, next to the transaction, to the outermost.
TWEENS = (
    "librarian.web.tweens.surroundings",
    "librarian.operations.tweens.answer_probes",
    "librarian.web.requests.proxies.believe_proxies",
    "librarian.operations.tweens.measure",
)


class ExactTraverser(ResourceTreeTraverser):
    """Pyramid's traverser, for names that people choose: "@@" at the start of one means nothing."""

    VIEW_SELECTOR = "\udfff"  # decoded from no URL


def read_ini(path: str | Path, defaults: Mapping[str, str] | None = None) -> dict[str, str]:
    """The ``[app:main]`` settings of an ini file, with ``[DEFAULT]`` and `defaults` filled in, and with the
    folders that it does not name."""
    with reading(path):
        found: dict[str, str] = ini_loader(f"{path}#main").get_settings("app:main", defaults)
    if not found:
        raise SettingsError(str(path), "has no section [app:main]")
    return {**default_places(Path(path).absolute().parent), **found}


def default_places(folder: Path) -> dict[str, str]:
    """The settings of all PLACES, below `folder`."""
    found = {}
    for kind, name in PLACES:
        usual = str(getattr(kind(), name))  # var/mail, file://var/tree/Data.fs
        found[kind.key(name)] = usual.replace("var/", f"{folder / 'var'}/", 1)
    return found


@cache
def ini_loader(path: str) -> Any:
    """plaster's loader of an ini file; to find one takes 0.1 s, in the metadata of all that is installed.

    Raises plaster.PlasterError.
    """
    return plaster.get_loader(path)


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Raise SettingsError, in one line, for what makes an ini file unreadable."""
    try:
        yield
    except (configparser.Error, LookupError, UnicodeDecodeError, OSError, plaster.PlasterError) as error:
        raise SettingsError(str(path), f"cannot be read: {one_line(error)}") from error


def _install_settings(values: Mapping[str, str]) -> None:
    """Register the settings.  Raises SettingsError where the site or a system is not there."""
    site_of(values)
    systems_of(values)
    getGlobalSiteManager().registerUtility(settings_of(values), ISettings)


def settings_of(values: Mapping[str, str]) -> Settings:
    """The settings, without those that name the site and its systems."""
    return Settings({name: value for name, value in values.items() if name not in (SITE, SYSTEMS)})


def declared_sections(values: Mapping[str, str]) -> dict[str, type[Section]]:
    """The sections of settings that the site's ZCML names, by their names; nothing is registered or made.

    Raises SettingsError for ZCML that cannot be read.
    """
    found: dict[str, type[Section]] = {}
    for action in _declared(values):
        kind, provided, name = (*(action["discriminator"] or ()), None, None, None)[:3]
        if kind == "utility" and provided is ISettingsSection:
            found[str(name)] = action["args"][1]
    return found


def _declared(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """The actions of the site's ZCML, of which none is executed."""
    with _errors_of_ours():
        return list(resolveConflicts(_loaded(values, execute=False).actions))


def _loaded(values: Mapping[str, str], *, execute: bool) -> ConfigurationMachine:
    """A machine that has read the site's ZCML, and that of its systems."""
    with zcml_of(values) as site:
        package, _, name = site.rpartition(":")
        module = import_module(package) if package else None
        return xmlconfig.file(name, module, context=_machine(), execute=execute)


@contextmanager
def starting() -> Iterator[None]:
    """No garbage is looked for meanwhile: what a start makes stays, and looking takes a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@starting()
def configure_components(values: Mapping[str, str], *, united: bool = True) -> None:
    """Make the site's utilities and adapters available in this process, without the web.

    For scripts and for applications that embed the library.  Without `united` tree and byte store are
    not compared, for who puts them together.  Raises SettingsError, TreeUnavailable, TreeTooNew,
    NotOneInstallation.
    """
    _install_settings(values)
    with _errors_of_ours():
        _loaded(values, execute=True)
    start_components(united=united)


def start_components(*, united: bool = True) -> None:
    """Check the settings and open the tree, once the utilities of this process are registered.

    `united` and the errors are those of configure_components().
    """
    settings = getUtility(ISettings)
    settings.check_names([section for _name, section in getUtilitiesFor(ISettingsSection)])
    guard_classes(__name__.partition(".")[0])
    open_audit_log()
    _begin(united)


def _begin(united: bool) -> None:
    """Bring the tree up to date, and see that the bytes are its own; a tree that is refused is closed."""
    tree = getUtility(ITree)
    try:
        tree.bring_up_to_date()
        if united:
            unite(tree, getUtility(IByteStore))
        compare_at_start()
    except BaseException:
        tree.close()
        raise


@contextmanager
def _errors_of_ours() -> Iterator[None]:
    """Both kinds of ZCML wrap what a factory raises; the message shows what it was."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, LibrarianError):
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, ConfigurationError):
            raise SettingsError(SITE, one_line(error)) from error
        raise


def _machine() -> ConfigurationMachine:
    machine = ConfigurationMachine()
    machine.provideFeature(APPLICATION)
    xmlconfig.registerCommonDirectives(machine)
    return machine


@starting()
def make_app(values: Mapping[str, str]) -> Any:
    """The WSGI application, a Pyramid router below its access log, and the components as
    configure_components().

    Utilities and adapters of the zope namespace go to the global registry, views of the pyramid
    namespace to the application's own, which falls back to the global one: getUtility() gives the
    same in views, scripts and threads.
    """
    _install_settings(values)
    config = _configurator(values)
    _load_site(config, values)
    if values.get(LAYOUT):
        config.override_asset("librarian.web:templates/layout.jinja2", values[LAYOUT])
    _add_tweens(config)
    _commit(config)
    start_components()
    watch_tree()
    config.registry.registerUtility(Endpoints(getUtility(ISettings)), IEndpoints)
    return with_access_log(LastResort(config.make_wsgi_app()))


def _configurator(values: Mapping[str, str]) -> Configurator:
    """A Pyramid configurator over the global registry, with what every site includes."""
    registry = Registry("librarian")
    registry.__bases__ = (getGlobalSiteManager(),)
    config = Configurator(registry=registry)
    config.setup_registry(settings={**PYRAMID_SETTINGS, **values}, root_factory=root_factory)
    for package in INCLUDED:
        config.include(package)
    config.add_traverser(ExactTraverser)
    return config


def _load_site(config: Configurator, values: Mapping[str, str]) -> None:
    with _errors_of_ours(), zcml_of(values) as site:
        spec = site if ":" in site else str(Path(site).absolute())
        config.load_zcml(spec, features=("web", APPLICATION))


def _add_tweens(config: Configurator) -> None:
    """Put each of TWEENS over the one before it."""
    below: Any = ["pyramid_tm.tm_tween_factory", EXCVIEW]
    for tween in TWEENS:
        config.add_tween(tween, over=below)
        below = tween


def _commit(config: Configurator) -> None:
    with _errors_of_ours():
        config.commit()
    # Request of librarian.web.requests.request has `tm` as a method.
    config.registry.getUtility(IRequestExtensions).descriptors.pop("tm")


def main(global_config: Mapping[str, str], **values: str) -> Any:
    """The Paste application factory: ``use = egg:librarian``.

    What is wrong with an installation ends the process that loads it, in one line.
    """
    places = default_places(Path(global_config["here"])) if "here" in global_config else {}
    with ending_in_a_line():
        return make_app({**places, **values})


@contextmanager
def ending_in_a_line() -> Iterator[None]:
    """For programs that are not ours and would print a traceback: end them by SystemExit instead."""
    try:
        yield
    except (LibrarianError, OSError) as error:
        raise SystemExit(f"Error: {one_line(error)}") from error
