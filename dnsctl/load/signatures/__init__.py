"""Who signed a commit, or a tag that approves one: by lists of the operations repo, and nobody's own trust.

Signatures are verified by ssh-keygen and gpg, called here and not by git, whose settings name other programs
and lists.
"""
