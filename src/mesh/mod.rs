//! What Istio does, as pure functions: injection, versions, proxy verdicts.
