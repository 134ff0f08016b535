"""Files that a real zope publisher sends: large ones, after everything is over, and from secured aliases."""

import hashlib
import os
import threading
import unittest
from io import BytesIO
from typing import Any
from unittest import mock

import transaction
from pyramid.request import Request
from zope.component import getMultiAdapter, getUtility
from zope.interface.verify import verifyObject
from zope.publisher.browser import TestRequest
from zope.publisher.interfaces import NotFound
from zope.publisher.interfaces.browser import IBrowserPublisher
from zope.publisher.interfaces.http import IResult
from zope.security.checker import ProxyFactory
from zope.security.interfaces import Unauthorized
from zope.security.proxy import removeSecurityProxy

from librarian.features.current import FeatureController, features
from librarian.features.interfaces import FeatureRule, IFeatureRules
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.library_file import LibraryFile
from librarian.library.views.alias import (
    LibraryFileAliasSHA256View,
    RedirectPerhapsWithTokenLibraryFileAliasView,
    StreamOrRedirectLibraryFileAliasView,
    file_alias_view,
)
from librarian.security.interaction import acting_as
from librarian.security.principals import ANONYMOUS
from tests.support.documents.library import delete_content, zope_published
from tests.support.layers import Functional

DATA = os.urandom(1 << 20)


class Published(unittest.TestCase):
    layer = Functional

    def add(self, data: bytes = DATA, restricted: bool = True, mimetype: str = "text/html") -> Any:
        aliases = getUtility(ILibraryFileAliasSet)
        alias = aliases.create("f.html", len(data), BytesIO(data), mimetype, restricted=restricted)
        transaction.commit()
        return alias

    def published(self, alias: Any, path: str = "/f") -> Any:
        return zope_published({"f": alias}, path).response

    def test_a_large_file_in_another_thread_after_the_publication(self) -> None:
        response = self.published(self.add())
        self.assertEqual(response.getHeader("Content-Length"), str(len(DATA)))
        body, blocks = response.consumeBodyIter(), []
        sending = threading.Thread(target=lambda: blocks.extend(body))
        sending.start()
        sending.join()
        self.assertEqual((b"".join(blocks) == DATA, len(blocks)), (True, 4))

    def test_it_is_closed_at_its_end_and_when_the_client_disconnects(self) -> None:
        for sent in (True, False):
            with self.subTest(sent=sent):
                body = self.published(self.add()).consumeBodyIter()
                if sent:
                    list(body)
                body.close()
                with self.assertRaises(ValueError):
                    next(iter(body))

    def test_html_is_an_attachment_in_a_sandbox(self) -> None:
        response = self.published(self.add())
        self.assertTrue(response.getHeader("Content-Disposition").startswith("attachment"))
        self.assertIn("sandbox", response.getHeader("Content-Security-Policy"))
        self.assertEqual(response.getHeader("Cache-Control"), "private, no-store")
        self.assertEqual(response.getHeader("Accept-Ranges"), "none")

    def test_a_proxied_file_is_a_result(self) -> None:
        file = ProxyFactory(LibraryFile(BytesIO(b"data"), ""))
        self.assertIsNot(type(file), LibraryFile)
        self.assertEqual(list(getMultiAdapter((file, TestRequest()), IResult)), [b"data"])

    def test_the_views_by_name_with_either_request(self) -> None:
        alias = self.add(restricted=False)
        view = getMultiAdapter((alias, TestRequest()), name="+sha256")
        self.assertIsInstance(view, LibraryFileAliasSHA256View)
        self.assertEqual(view(), f"{hashlib.sha256(DATA).hexdigest()} f.html")

    def test_a_public_file_is_redirected(self) -> None:
        alias = self.add(restricted=False)
        response = self.published(alias)
        self.assertEqual((response.getStatus(), response.getHeader("Location")), (302, alias.http_url))

    def test_the_flag_redirects_a_restricted_file(self) -> None:
        alias = self.add()
        rules = removeSecurityProxy(getUtility(IFeatureRules))
        rules.set(FeatureRule("publicrestrictedlibrarian", "default", 1, "on"))
        with features(FeatureController(lambda: rules, in_scope=lambda scope: False)):
            response = self.published(alias)
        self.assertEqual(response.getStatus(), 302)
        self.assertIn("?token=", response.getHeader("Location"))

    def test_a_flag_keeps_its_value_for_a_request(self) -> None:
        alias = self.add()
        rules = removeSecurityProxy(getUtility(IFeatureRules))
        rules.set(FeatureRule("publicrestrictedlibrarian", "default", 1, "on"))
        with features(FeatureController(lambda: rules, in_scope=lambda scope: False)):
            before = file_alias_view(alias, TestRequest())
            rules.unset("publicrestrictedlibrarian")
            after = file_alias_view(alias, TestRequest())
        self.assertIs(type(before), RedirectPerhapsWithTokenLibraryFileAliasView)
        self.assertIs(type(after), RedirectPerhapsWithTokenLibraryFileAliasView)

    def test_the_views_that_end_traversal(self) -> None:
        alias, request = self.add(), TestRequest()
        streaming = StreamOrRedirectLibraryFileAliasView(alias, request)
        self.assertEqual(streaming.browserDefault(request), (streaming, ()))
        redirecting = RedirectPerhapsWithTokenLibraryFileAliasView(alias, request)
        for view in (streaming, redirecting, redirecting.browserDefault(request)[0]):
            verifyObject(IBrowserPublisher, view)

    def test_the_view_ignores_http_proxies(self) -> None:
        alias = self.add(b"PLAN")
        with mock.patch.dict(os.environ, http_proxy="http://proxy.invalid:1"):
            view = StreamOrRedirectLibraryFileAliasView(alias, Request.blank("/"))
            self.assertEqual(view().body, b"PLAN")

    def test_the_file_of_a_view_can_be_read_again(self) -> None:
        with StreamOrRedirectLibraryFileAliasView(self.add(b"PLAN"), TestRequest())() as file:
            self.assertEqual((file.read(), file.seek(1), file.read()), (b"PLAN", 1, b"LAN"))

    def test_neither_view_has_a_url_for_a_deleted_file(self) -> None:
        alias, request = self.add(restricted=False), TestRequest()
        delete_content(alias)
        for kind in (StreamOrRedirectLibraryFileAliasView, RedirectPerhapsWithTokenLibraryFileAliasView):
            with self.subTest(kind.__name__), self.assertRaisesRegex(AssertionError, "MixedFileAliasView"):
                kind(alias, request).browserDefault(request)

    def test_anonymous_visitors(self) -> None:
        alias = self.add()
        for path in ("/f", "/f/+index", "/f/+md5"):
            with self.subTest(path=path), acting_as(ANONYMOUS), self.assertRaises(Unauthorized):
                self.published(alias, path)

    def test_nothing_is_behind_a_view(self) -> None:
        with self.assertRaises(NotFound):
            self.published(self.add(), "/f/+md5/more")

    def test_deleted(self) -> None:
        alias = self.add(restricted=False)
        delete_content(alias)
        transaction.commit()
        for path in ("/f/+index", "/f/+md5", "/f/+sha256"):
            with self.subTest(path=path):
                self.assertEqual(self.published(alias, path).getStatus(), 410)
