//! Request records: written behind the request, rolled up by day, kept for a while.
