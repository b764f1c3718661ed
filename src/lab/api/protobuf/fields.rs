//! The fields of the messages that clients send (`generated.proto`).

/// A field: its number, its name in JSON, its type.
pub(super) type Field = (u64, &'static str, Type);

#[derive(Clone, Copy)]
pub(super) enum Type {
    Text,
    Texts,
    /// A number that says something even when it is zero.
    Number,
    /// A number that is absent when it is zero.
    Count,
    Flag,
    /// A map of texts.
    Map,
    /// A map of bytes, base64 in JSON.
    Data,
    Message(&'static [Field]),
    Messages(&'static [Field]),
    /// A message whose fields JSON has one level higher.
    Inline(&'static [Field]),
    /// A quantity, as text.
    Amount,
    /// A map of quantities.
    Amounts,
    /// A number or a text.
    Either,
    /// Something that only the server writes.
    Ignored,
}

const METADATA: &[Field] = &[
    (1, "name", Type::Text),
    (2, "generateName", Type::Text),
    (3, "namespace", Type::Text),
    (4, "selfLink", Type::Ignored),
    (5, "uid", Type::Text),
    (6, "resourceVersion", Type::Text),
    (7, "generation", Type::Ignored),
    (8, "creationTimestamp", Type::Ignored),
    (11, "labels", Type::Map),
    (12, "annotations", Type::Map),
    (13, "ownerReferences", Type::Messages(OWNER)),
];
const OWNER: &[Field] = &[
    (1, "kind", Type::Text),
    (3, "name", Type::Text),
    (4, "uid", Type::Text),
    (5, "apiVersion", Type::Text),
    (6, "controller", Type::Flag),
    (7, "blockOwnerDeletion", Type::Flag),
];
const RESOURCE: &[Field] = &[
    (1, "namespace", Type::Text),
    (2, "verb", Type::Text),
    (3, "group", Type::Text),
    (4, "version", Type::Text),
    (5, "resource", Type::Text),
    (6, "subresource", Type::Text),
    (7, "name", Type::Text),
];
const PATH: &[Field] = &[(1, "path", Type::Text), (2, "verb", Type::Text)];
const REVIEW: &[Field] = &[
    (1, "resourceAttributes", Type::Message(RESOURCE)),
    (2, "nonResourceAttributes", Type::Message(PATH)),
    (3, "user", Type::Text),
    (4, "groups", Type::Texts),
];
const RULES: &[Field] = &[(1, "namespace", Type::Text)];
const PRECONDITIONS: &[Field] = &[(1, "uid", Type::Text), (2, "resourceVersion", Type::Text)];
const DELETE: &[Field] = &[
    (1, "gracePeriodSeconds", Type::Number),
    (2, "preconditions", Type::Message(PRECONDITIONS)),
    (3, "orphanDependents", Type::Flag),
    (4, "propagationPolicy", Type::Text),
    (5, "dryRun", Type::Texts),
    (
        6,
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        Type::Flag,
    ),
];
const SCALE: &[Field] = &[(1, "replicas", Type::Number)];
const TOKEN: &[Field] = &[
    (1, "audiences", Type::Texts),
    (4, "expirationSeconds", Type::Number),
];
const NAMESPACE: &[Field] = &[(1, "finalizers", Type::Texts)];
const PORT: &[Field] = &[
    (1, "name", Type::Text),
    (2, "hostPort", Type::Count),
    (3, "containerPort", Type::Count),
    (4, "protocol", Type::Text),
    (5, "hostIP", Type::Text),
];
const RESOURCES: &[Field] = &[(1, "limits", Type::Amounts), (2, "requests", Type::Amounts)];
/// As `kubectl create deployment` fills it in.
const CONTAINER: &[Field] = &[
    (1, "name", Type::Text),
    (2, "image", Type::Text),
    (3, "command", Type::Texts),
    (4, "args", Type::Texts),
    (5, "workingDir", Type::Text),
    (6, "ports", Type::Messages(PORT)),
    (8, "resources", Type::Message(RESOURCES)),
    (13, "terminationMessagePath", Type::Text),
    (14, "imagePullPolicy", Type::Text),
    (16, "stdin", Type::Flag),
    (17, "stdinOnce", Type::Flag),
    (18, "tty", Type::Flag),
    (20, "terminationMessagePolicy", Type::Text),
];
const POD: &[Field] = &[
    (2, "containers", Type::Messages(CONTAINER)),
    (3, "restartPolicy", Type::Text),
    (6, "dnsPolicy", Type::Text),
    (8, "serviceAccountName", Type::Text),
    (9, "serviceAccount", Type::Text),
    (10, "nodeName", Type::Text),
    (11, "hostNetwork", Type::Flag),
    (12, "hostPID", Type::Flag),
    (13, "hostIPC", Type::Flag),
    (16, "hostname", Type::Text),
    (17, "subdomain", Type::Text),
    (19, "schedulerName", Type::Text),
    (24, "priorityClassName", Type::Text),
];
const TEMPLATE: &[Field] = &[
    (1, "metadata", Type::Message(METADATA)),
    (2, "spec", Type::Message(POD)),
];
const SELECTOR: &[Field] = &[(1, "matchLabels", Type::Map)];
const STRATEGY: &[Field] = &[(1, "type", Type::Text)];
const DEPLOYMENT: &[Field] = &[
    (1, "replicas", Type::Number),
    (2, "selector", Type::Message(SELECTOR)),
    (3, "template", Type::Message(TEMPLATE)),
    (4, "strategy", Type::Message(STRATEGY)),
    (5, "minReadySeconds", Type::Count),
    (7, "paused", Type::Flag),
];

const SERVICE: &[Field] = &[
    (1, "ports", Type::Messages(SERVICE_PORT)),
    (2, "selector", Type::Map),
    (3, "clusterIP", Type::Text),
    (4, "type", Type::Text),
    (5, "externalIPs", Type::Texts),
    (7, "sessionAffinity", Type::Text),
    (8, "loadBalancerIP", Type::Text),
    (10, "externalName", Type::Text),
    (11, "externalTrafficPolicy", Type::Text),
    (12, "healthCheckNodePort", Type::Count),
    (13, "publishNotReadyAddresses", Type::Flag),
];
const SERVICE_PORT: &[Field] = &[
    (1, "name", Type::Text),
    (2, "protocol", Type::Text),
    (3, "port", Type::Count),
    (4, "targetPort", Type::Either),
    (5, "nodePort", Type::Count),
    (6, "appProtocol", Type::Text),
];
const RULE: &[Field] = &[
    (1, "verbs", Type::Texts),
    (2, "apiGroups", Type::Texts),
    (3, "resources", Type::Texts),
    (4, "resourceNames", Type::Texts),
    (5, "nonResourceURLs", Type::Texts),
];
const AGGREGATION: &[Field] = &[(1, "clusterRoleSelectors", Type::Messages(SELECTOR))];
const SUBJECT: &[Field] = &[
    (1, "kind", Type::Text),
    (2, "apiGroup", Type::Text),
    (3, "name", Type::Text),
    (4, "namespace", Type::Text),
];
const ROLE_REFERENCE: &[Field] = &[
    (1, "apiGroup", Type::Text),
    (2, "kind", Type::Text),
    (3, "name", Type::Text),
];
const QUOTA: &[Field] = &[(1, "hard", Type::Amounts), (2, "scopes", Type::Texts)];
const BUDGET: &[Field] = &[
    (1, "minAvailable", Type::Either),
    (2, "selector", Type::Message(SELECTOR)),
    (3, "maxUnavailable", Type::Either),
];
const AUTOSCALER: &[Field] = &[
    (1, "scaleTargetRef", Type::Message(SCALE_TARGET)),
    (2, "minReplicas", Type::Number),
    (3, "maxReplicas", Type::Number),
    (4, "metrics", Type::Messages(METRIC)),
];
const SCALE_TARGET: &[Field] = &[
    (1, "kind", Type::Text),
    (2, "name", Type::Text),
    (3, "apiVersion", Type::Text),
];
const METRIC: &[Field] = &[
    (1, "type", Type::Text),
    (4, "resource", Type::Message(RESOURCE_METRIC)),
];
const RESOURCE_METRIC: &[Field] = &[
    (1, "name", Type::Text),
    (2, "target", Type::Message(METRIC_TARGET)),
];
const METRIC_TARGET: &[Field] = &[
    (1, "type", Type::Text),
    (2, "value", Type::Amount),
    (3, "averageValue", Type::Amount),
    (4, "averageUtilization", Type::Number),
];
const JOB: &[Field] = &[
    (1, "parallelism", Type::Number),
    (2, "completions", Type::Number),
    (3, "activeDeadlineSeconds", Type::Number),
    (4, "selector", Type::Message(SELECTOR)),
    (6, "template", Type::Message(TEMPLATE)),
    (7, "backoffLimit", Type::Number),
    (8, "ttlSecondsAfterFinished", Type::Number),
    (9, "completionMode", Type::Text),
    (10, "suspend", Type::Flag),
    (14, "podReplacementPolicy", Type::Text),
];
const JOB_TEMPLATE: &[Field] = &[
    (1, "metadata", Type::Message(METADATA)),
    (2, "spec", Type::Message(JOB)),
];
const CRON_JOB: &[Field] = &[
    (1, "schedule", Type::Text),
    (3, "concurrencyPolicy", Type::Text),
    (4, "suspend", Type::Flag),
    (5, "jobTemplate", Type::Message(JOB_TEMPLATE)),
    (8, "timeZone", Type::Text),
];
const INGRESS: &[Field] = &[
    (1, "defaultBackend", Type::Message(BACKEND)),
    (
        2,
        "tls",
        Type::Messages(&[(1, "hosts", Type::Texts), (2, "secretName", Type::Text)]),
    ),
    (3, "rules", Type::Messages(INGRESS_RULE)),
    (4, "ingressClassName", Type::Text),
];
const INGRESS_RULE: &[Field] = &[
    (1, "host", Type::Text),
    (
        2,
        "",
        Type::Inline(&[(
            1,
            "http",
            Type::Message(&[(1, "paths", Type::Messages(INGRESS_PATH))]),
        )]),
    ),
];
const INGRESS_PATH: &[Field] = &[
    (1, "path", Type::Text),
    (2, "backend", Type::Message(BACKEND)),
    (3, "pathType", Type::Text),
];
const BACKEND: &[Field] = &[(4, "service", Type::Message(BACKEND_SERVICE))];
const BACKEND_SERVICE: &[Field] = &[
    (1, "name", Type::Text),
    (
        2,
        "port",
        Type::Message(&[(1, "name", Type::Text), (2, "number", Type::Count)]),
    ),
];

/// The fields of a kind, where its messages can be read.
pub(super) fn fields(kind: &str) -> Option<Vec<Field>> {
    let with = |second: Field| {
        vec![
            (1, "metadata", Type::Message(METADATA)),
            second,
            (3, "status", Type::Ignored),
        ]
    };
    let spec = |fields| with((2, "spec", Type::Message(fields)));
    match kind {
        "SelfSubjectAccessReview" | "SubjectAccessReview" => Some(spec(REVIEW)),
        "Service" => Some(spec(SERVICE)),
        "Role" | "ClusterRole" => Some(vec![
            (1, "metadata", Type::Message(METADATA)),
            (2, "rules", Type::Messages(RULE)),
            (3, "aggregationRule", Type::Message(AGGREGATION)),
        ]),
        "RoleBinding" | "ClusterRoleBinding" => Some(vec![
            (1, "metadata", Type::Message(METADATA)),
            (2, "subjects", Type::Messages(SUBJECT)),
            (3, "roleRef", Type::Message(ROLE_REFERENCE)),
        ]),
        "ResourceQuota" => Some(spec(QUOTA)),
        "PodDisruptionBudget" => Some(spec(BUDGET)),
        "HorizontalPodAutoscaler" => Some(spec(AUTOSCALER)),
        "Job" => Some(spec(JOB)),
        "CronJob" => Some(spec(CRON_JOB)),
        "Ingress" => Some(spec(INGRESS)),
        "PriorityClass" => Some(vec![
            (1, "metadata", Type::Message(METADATA)),
            (2, "value", Type::Number),
            (3, "globalDefault", Type::Flag),
            (4, "description", Type::Text),
            (5, "preemptionPolicy", Type::Text),
        ]),
        "SelfSubjectRulesReview" => Some(spec(RULES)),
        "Scale" => Some(spec(SCALE)),
        "TokenRequest" => Some(spec(TOKEN)),
        "Namespace" => Some(spec(NAMESPACE)),
        "Deployment" => Some(spec(DEPLOYMENT)),
        "DeleteOptions" => Some(DELETE.to_vec()),
        "Eviction" => Some(with((2, "deleteOptions", Type::Message(DELETE)))),
        "SelfSubjectReview" => Some(vec![
            (1, "metadata", Type::Message(METADATA)),
            (2, "status", Type::Ignored),
        ]),
        "ServiceAccount" => Some(vec![(1, "metadata", Type::Message(METADATA))]),
        "ConfigMap" => Some(vec![
            (1, "metadata", Type::Message(METADATA)),
            (2, "data", Type::Map),
            (3, "binaryData", Type::Data),
        ]),
        "Secret" => Some(vec![
            (1, "metadata", Type::Message(METADATA)),
            (2, "data", Type::Data),
            (3, "type", Type::Text),
        ]),
        _ => None,
    }
}
