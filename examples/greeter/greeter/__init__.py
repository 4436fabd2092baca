"""An HTTP service that greets and counts whom it greeted, in a key-value store."""
