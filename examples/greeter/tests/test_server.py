import json
import os
import threading
import unittest
import urllib.error
import urllib.request

from greeter.server import serve
from greeter.store import Store


class Greeter(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.store = Store(os.environ["KV_HOST"], int(os.environ["KV_PORT"]))
        cls.server = serve(cls.store)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.url = f"http://127.0.0.1:{cls.server.server_port}"

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def get(self, path):
        with urllib.request.urlopen(self.url + path) as answer:
            return json.load(answer)

    def test_greets_and_counts_in_the_store(self):
        first = self.get("/greet/Ada%20Lovelace")
        second = self.get("/greet/Ada%20Lovelace")
        self.assertEqual(first["greeting"], "Hello, Ada Lovelace!")
        self.assertEqual(second["count"], first["count"] + 1)
        self.assertEqual(self.store.get("ada-lovelace"), second["count"])

    def test_other_paths_are_not_found(self):
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.get("/nothing")
        self.assertEqual(refused.exception.code, 404)

    @unittest.skipUnless(os.environ.get("BREAK") == "true", "only when asked to break")
    def test_broken_on_purpose(self):
        self.assertEqual(self.get("/greet/Bob")["greeting"], "Good night", "asked for with the input `break`")
