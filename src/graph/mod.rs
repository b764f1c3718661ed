//! The pure graph: order, cycles, slices, drawing.
