//! Wire formats of the LLM APIs: bounded parsing, splicing, SSE, usage and errors.
