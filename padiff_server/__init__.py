"""The coordinator: a gRPC service around comparisons, which reaches the workers."""
