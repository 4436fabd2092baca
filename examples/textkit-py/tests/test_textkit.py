import os
import unittest

import textkit


class Textkit(unittest.TestCase):
    def test_words(self):
        self.assertEqual(textkit.words("one two  three"), 3)

    def test_slug(self):
        self.assertEqual(textkit.slug("Hello, World!"), "hello-world")

    def test_slug_of_other_scripts_keeps_ascii_only(self):
        self.assertEqual(textkit.slug("naïve café"), "na-ve-caf")

    def test_the_library_is_the_one_that_was_just_built(self):
        self.assertEqual(textkit.version(), os.environ["EXPECTED_VERSION"])

    @unittest.skipUnless(os.environ.get("BREAK") == "true", "only when asked to break")
    def test_broken_on_purpose(self):
        self.assertEqual(textkit.words("two words"), 3, "asked for with the input `break`")


if __name__ == "__main__":
    unittest.main()
