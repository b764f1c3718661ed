//! Problems as data, and how they are shown.
