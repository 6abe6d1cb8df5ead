"""Why a question gets the answer it gets, in words."""
