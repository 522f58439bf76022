"""The agent backend that the demo observes: a FastAPI app as a user of the library would write it."""
