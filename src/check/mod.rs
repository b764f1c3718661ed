//! Static passes: text to an executable plan.
