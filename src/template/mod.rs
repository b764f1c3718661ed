//! Templates: minijinja behind one door.
