"""The object store that tests run against: its parts die and come back, and it keeps what it was given."""

import os
import unittest
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.layers import Swift
from tests.support.servers.swift import ACCESS_KEY, PARTS, REGION, SECRET_KEY, SwiftServer

BUCKET = "of-the-support"
NEEDED_TO_READ = {"object", "proxy"}


def connect(server: SwiftServer) -> Any:
    """An S3 client that asks once."""
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


class Parts(unittest.TestCase):
    layer = Swift

    def setUp(self) -> None:
        self.server = Swift.swift
        self.server.make_bucket(BUCKET)
        self.client = connect(self.server)
        self.addCleanup(self.client.close)
        self.client.put_object(Bucket=BUCKET, Key="poem", Body=b"Roses are red")

    def read(self) -> bytes | None:
        """What is stored; None while the store cannot tell."""
        try:
            found: bytes = self.client.get_object(Bucket=BUCKET, Key="poem")["Body"].read()
        except (BotoCoreError, ClientError):
            return None
        return found

    def test_what_is_needed_to_read_is_missed_and_comes_back(self) -> None:
        for part in sorted(NEEDED_TO_READ):
            with self.subTest(part):
                with self.server.without(part):
                    self.assertIsNone(self.read())
                self.assertEqual(self.read(), b"Roses are red")

    def test_without_room_it_is_readable_and_refuses_more(self) -> None:
        with self.server.full(), self.assertRaises(ClientError) as refused:
            self.client.put_object(Bucket=BUCKET, Key="ode", Body=b"Violets are blue")
        self.assertEqual(refused.exception.response["ResponseMetadata"]["HTTPStatusCode"], 503)
        self.assertEqual([found["Key"] for found in self.listed()], ["poem"])

    def listed(self) -> list[Any]:
        listed: list[Any] = self.client.list_objects_v2(Bucket=BUCKET)["Contents"]
        return listed

    def test_another_start_has_the_same_address_and_objects(self) -> None:
        url, before = self.server.url, self.server.pids
        self.server.stop()
        self.assertEqual(self.server.pids, {})
        for pid in before.values():
            with self.assertRaises(ProcessLookupError):
                os.kill(pid, 0)
        self.server.start()
        self.assertEqual((self.server.url, set(self.server.pids)), (url, set(PARTS)))
        self.assertEqual(self.read(), b"Roses are red")

    def test_the_files_of_objects_can_be_damaged(self) -> None:
        (file,) = (path for path in self.server.objects() if path.read_bytes() == b"Roses are red")
        file.write_bytes(b"Roses are led")
        self.assertEqual(self.read(), b"Roses are led")  # once; Swift then notices
