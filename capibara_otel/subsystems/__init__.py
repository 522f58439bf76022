"""The nouns of the library, one file each: what can be done with it, and what can be told of it.

No subsystem knows another, nor costs or logs: those are hooks of the operation.
"""
