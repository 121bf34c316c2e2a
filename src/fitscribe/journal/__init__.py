"""The journal: records on local disk, and the thread that ships them."""
