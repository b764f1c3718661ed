//! What happens in a run: the one interface to the journal and to every report.
