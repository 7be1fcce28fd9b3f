"""The local stack: one module a service, reached by production code through connections alone."""
