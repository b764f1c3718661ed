//! The resources of Kubernetes 1.21 to 1.35 that the server has.

/// group | versions with the minors that serve them | plural | kind | short names | categories | subresources | flags:
/// `c` cluster-scoped, `g` counts generations, `v` virtual.
pub(super) const TABLE: &str = "
|v1|namespaces|Namespace|ns||status finalize|c
|v1|pods|Pod|po|all|status eviction portforward log exec attach ephemeralcontainers binding proxy|
|v1|services|Service|svc|all|status proxy|
|v1|endpoints|Endpoints|ep|||
|v1|configmaps|ConfigMap|cm|||
|v1|secrets|Secret||||
|v1|serviceaccounts|ServiceAccount|sa||token|
|v1|nodes|Node|no||status proxy|c
|v1|events|Event|ev|||
|v1|resourcequotas|ResourceQuota|quota||status|
|v1|limitranges|LimitRange|limits|||
|v1|persistentvolumeclaims|PersistentVolumeClaim|pvc||status|
|v1|persistentvolumes|PersistentVolume|pv||status|c
|v1|replicationcontrollers|ReplicationController|rc|all|status scale|g
apps|v1|deployments|Deployment|deploy|all|status scale|g
apps|v1|replicasets|ReplicaSet|rs|all|status scale|g
apps|v1|statefulsets|StatefulSet|sts|all|status scale|g
apps|v1|daemonsets|DaemonSet|ds|all|status|g
apps|v1|controllerrevisions|ControllerRevision||||
batch|v1|jobs|Job||all|status|g
batch|v1 v1beta1:-24|cronjobs|CronJob|cj|all|status|g
policy|v1 v1beta1:-24|poddisruptionbudgets|PodDisruptionBudget|pdb||status|g
autoscaling|v2:23- v1 v2beta1:-24 v2beta2:-25|horizontalpodautoscalers|HorizontalPodAutoscaler|hpa|all|status|
discovery.k8s.io|v1 v1beta1:-24|endpointslices|EndpointSlice||||g
admissionregistration.k8s.io|v1 v1beta1:-21|mutatingwebhookconfigurations|MutatingWebhookConfiguration||api-extensions||cg
admissionregistration.k8s.io|v1 v1beta1:-21|validatingwebhookconfigurations|ValidatingWebhookConfiguration||api-extensions||cg
apiextensions.k8s.io|v1 v1beta1:-21|customresourcedefinitions|CustomResourceDefinition|crd crds|api-extensions|status|cg
rbac.authorization.k8s.io|v1 v1beta1:-21|roles|Role||||
rbac.authorization.k8s.io|v1 v1beta1:-21|rolebindings|RoleBinding||||
rbac.authorization.k8s.io|v1 v1beta1:-21|clusterroles|ClusterRole||||c
rbac.authorization.k8s.io|v1 v1beta1:-21|clusterrolebindings|ClusterRoleBinding||||c
coordination.k8s.io|v1 v1beta1:-21|leases|Lease||||
networking.k8s.io|v1|ingresses|Ingress|ing||status|g
networking.k8s.io|v1|networkpolicies|NetworkPolicy|netpol|||g
scheduling.k8s.io|v1|priorityclasses|PriorityClass|pc|||cg
authorization.k8s.io|v1|selfsubjectaccessreviews|SelfSubjectAccessReview||||cv
authorization.k8s.io|v1|selfsubjectrulesreviews|SelfSubjectRulesReview||||cv
authorization.k8s.io|v1|subjectaccessreviews|SubjectAccessReview||||cv
authentication.k8s.io|v1|tokenreviews|TokenReview||||cv
authentication.k8s.io|v1:28-|selfsubjectreviews|SelfSubjectReview||||cv
";
