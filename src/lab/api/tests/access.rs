//! Who may do what.

use super::*;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::DeleteParams;
use kube::api::ListParams;
use kube::api::PostParams;

#[tokio::test(start_paused = true)]
async fn access_is_reviewed_and_refused() {
    use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
    let server = ApiServer::default();
    server.set_authorizer(|asked| asked.verb != "delete");
    let client = server.client("test");
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let review = |verb: &str| {
        typed(
            json!({"metadata": {}, "spec": {"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": "default"}}}),
        )
    };
    for (verb, allowed) in [("delete", false), ("get", true)] {
        let answer = reviews
            .create(&PostParams::default(), &review(verb))
            .await
            .expect("answered");
        assert_eq!(answer.status.map(|status| status.allowed), Some(allowed));
    }
    let pods: Api<Pod> = Api::default_namespaced(client);
    let refused = status(pods.delete("a", &DeleteParams::default()).await);
    assert_eq!(
        refused.2,
        "pods \"a\" is forbidden: User \"kubernetes-admin\" cannot delete resource \"pods\" in API group \"\" in the namespace \"default\""
    );
}

#[tokio::test(start_paused = true)]
async fn roles_and_bindings_decide_where_they_are_asked_to() {
    let server = ApiServer::default();
    server.evaluate_rbac();
    for object in [
        json!({"kind": "Role", "metadata": {"name": "reader", "namespace": "default"},
            "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "pods/portforward"], "resourceNames": ["a"]}]}),
        json!({"kind": "RoleBinding", "metadata": {"name": "reader", "namespace": "default"},
            "subjects": [{"kind": "ServiceAccount", "name": "plan", "namespace": "ci"}], "roleRef": {"kind": "Role", "name": "reader"}}),
    ] {
        let mut object = object;
        object["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
        server.seed(&object);
    }
    let ask = |verb: &str, subresource: &str, name: &str, user: &str| {
        let asked = Attributes {
            user: User::named(user),
            verb: verb.to_owned(),
            resource: "pods".to_owned(),
            subresource: subresource.to_owned(),
            namespace: "default".to_owned(),
            name: name.to_owned(),
            ..Attributes::default()
        };
        server.shared.allowed(&asked)
    };
    let plan = "system:serviceaccount:ci:plan";
    assert!(ask("get", "", "a", plan) && ask("get", "portforward", "a", plan));
    assert!(
        !ask("get", "", "b", plan)
            && !ask("delete", "", "a", plan)
            && !ask("get", "", "a", "other")
    );
    assert!(ask("delete", "", "a", "kubernetes-admin"));
}

#[tokio::test(start_paused = true)]
async fn a_user_learns_who_they_are_and_what_they_may_do() {
    let server = ApiServer::default();
    server.evaluate_rbac();
    let robot = "system:serviceaccount:default:robot";
    server.seed(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r", "namespace": "default"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]}));
    server.seed(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "r", "namespace": "default"},
        "roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}]}));
    let client = server.client("test");
    let review = |kind: &str| {
        (
            format!("/apis/authorization.k8s.io/v1/{}s", kind.to_lowercase()),
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind}),
        )
    };

    let (path, mut body) = review("SelfSubjectRulesReview");
    body["spec"] = json!({"namespace": "default"});
    let rules = ask(&client, "POST", &path, robot, &body)
        .await
        .expect("answered");
    assert!(
        object::items(&rules["status"], "resourceRules")
            .any(|rule| rule["resources"] == json!(["pods"])),
        "{rules}"
    );
    assert!(
        object::items(&rules["status"], "nonResourceRules")
            .any(|rule| rule["verbs"] == json!(["get"])),
        "{rules}"
    );

    for (url, allowed) in [("/api/v1", true), ("/healthz", true), ("/metrics", false)] {
        let (path, mut body) = review("SelfSubjectAccessReview");
        body["spec"] = json!({"nonResourceAttributes": {"path": url, "verb": "get"}});
        let answer = ask(&client, "POST", &path, robot, &body)
            .await
            .expect("answered");
        assert_eq!(answer["status"]["allowed"], allowed, "{url}");
    }

    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let who = ask(
        &client,
        "POST",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        robot,
        &body,
    )
    .await
    .expect("answered");
    let info = json!({"username": robot, "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]});
    assert_eq!(who["status"]["userInfo"], info);
}

#[tokio::test]
async fn the_port_opens_for_its_tokens_alone() {
    let server = ApiServer::default();
    server.evaluate_rbac();
    let door = server.open(0).await.expect("a free port");
    let config: kube::config::Kubeconfig =
        serde_yaml::from_str(&door.kubeconfig()).expect("a kubeconfig");
    tokio::spawn(door.serve());
    let client = async |token: Option<&str>| {
        let mut config = config.clone();
        if let (Some(token), Some(user)) = (token, &mut config.auth_infos[0].auth_info) {
            user.token = Some(token.to_owned().into());
        }
        let config = kube::Config::from_custom_kubeconfig(
            config,
            &kube::config::KubeConfigOptions::default(),
        )
        .await;
        kube::Client::try_from(config.expect("a whole config")).expect("a client")
    };
    let admin = client(None).await;
    let pods: Api<Pod> = Api::default_namespaced(admin.clone());
    assert_eq!(
        pods.list(&ListParams::default())
            .await
            .expect("allowed")
            .items
            .len(),
        0
    );
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let body = json!({"metadata": {"name": "robot"}});
    ask(&admin, "POST", accounts, "kubernetes-admin", &body)
        .await
        .expect("created");
    let made = ask(
        &admin,
        "POST",
        &format!("{accounts}/robot/token"),
        "kubernetes-admin",
        &json!({}),
    )
    .await
    .expect("a token");
    let token = made["status"]["token"].as_str().expect("text").to_owned();

    let robot: Api<Pod> = Api::default_namespaced(client(Some(&token)).await);
    let (code, _, message) = status(robot.list(&ListParams::default()).await);
    assert_eq!(code, 403);
    assert!(
        message.contains("User \"system:serviceaccount:default:robot\" cannot list"),
        "{message}"
    );
    let (code, _, message) = status(
        ask(
            &client(Some(&token)).await,
            "GET",
            "/api/v1/namespaces/default/pods",
            "ann",
            &Value::Null,
        )
        .await,
    );
    assert_eq!(
        (
            code,
            message.contains("cannot impersonate resource \"users\"")
        ),
        (403, true),
        "{message}"
    );
    ask(
        &admin,
        "DELETE",
        &format!("{accounts}/robot"),
        "kubernetes-admin",
        &Value::Null,
    )
    .await
    .expect("deleted");
    for token in [token.as_str(), "guessed"] {
        let stranger: Api<Pod> = Api::default_namespaced(client(Some(token)).await);
        let (code, reason, _) = status(stranger.list(&ListParams::default()).await);
        assert_eq!((code, reason.as_str()), (401, "Unauthorized"));
    }
}
