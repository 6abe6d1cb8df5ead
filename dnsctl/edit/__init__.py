"""Zone files changed by a program as a person would change them: the lines that change, and no others.

What is read of a file after a change is compared with what was meant: where the two differ nothing is
written.
"""
