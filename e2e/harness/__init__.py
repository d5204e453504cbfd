"""The end-to-end harness: real parts on loopback, verbs that read like sentences. See e2e/README.md."""
