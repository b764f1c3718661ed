//! What survives a crash: an append-only file of events.
