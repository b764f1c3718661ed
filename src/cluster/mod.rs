//! The only module (beside the lab) that speaks Kubernetes.
