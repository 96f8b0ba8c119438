"""Feature histories come in; packed rows in an online store and the features of a request go out."""
