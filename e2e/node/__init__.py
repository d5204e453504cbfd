"""A real node of Kubernetes in namespaces of its own on this machine. See README.md."""
