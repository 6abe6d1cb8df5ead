"""Answers over UDP and TCP from an image, and zone transfers."""

import os

# numpy's library of linear algebra, which nothing here asks for, starts a thread for each core where it is
# loaded. A signal that our one thread holds back would be taken by one of those, and end the process.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
