package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"sigs.k8s.io/yaml"
)

// mesh is what the actors share: clients, lookups, settings and the actors themselves.
type mesh struct {
	kubeconfig, binaries, work string
	connectDelay               time.Duration

	client     kubernetes.Interface
	dynamic    dynamic.Interface
	pods       corelisters.PodLister
	configMaps corelisters.ConfigMapLister
	slices     discoverylisters.EndpointSliceLister

	mutex  sync.Mutex
	actors map[string]*actor
	// ended lets the agent outlive its istiods.
	ended sync.WaitGroup
}

// imageVersion is the tag of an image without its flavour: 1.29.1 of docker.io/istio/pilot:1.29.1-distroless.
func imageVersion(image string) string {
	tag := image[strings.LastIndex(image, ":")+1:]
	version, _, _ := strings.Cut(tag, "-")
	return version
}

// minor orders versions of Istio 1.x, patch included.
func minor(version string) int {
	numbers := append(strings.Split(version, "."), "0", "0", "0")
	first, _ := strconv.Atoi(numbers[1])
	second, _ := strconv.Atoi(numbers[2])
	return first*1000 + second
}

// speaksV2 says that a version's xDS is still v2.
func speaksV2(version string) bool { return minor(version) < 8000 }

// revisionOf is the revision a pod belongs to: of an istiod, or the one that injected it.
func revisionOf(pod *corev1.Pod) string {
	var status struct{ Revision string }
	_ = json.Unmarshal([]byte(pod.Annotations["sidecar.istio.io/status"]), &status)
	for _, revision := range []string{status.Revision, pod.Annotations["istio.io/rev"], pod.Labels["istio.io/rev"]} {
		if revision != "" {
			return revision
		}
	}
	return "default"
}

// suffixed is the name of a revision's object: istio, istio-canary.
func suffixed(name, revision string) string {
	if revision == "default" {
		return name
	}
	return name + "-" + revision
}

// configMap is one key of a revision's ConfigMap in the istiod's namespace.
func (m *mesh) configMap(namespace, name, key string) (string, error) {
	object, err := m.configMaps.ConfigMaps(namespace).Get(name)
	if err != nil {
		return "", err
	}
	value, ok := object.Data[key]
	if !ok {
		return "", fmt.Errorf("ConfigMap %s has no key %s", name, key)
	}
	return value, nil
}

// meshDiscovery is the discovery address in a revision's mesh configuration.
func (m *mesh) meshDiscovery(revision string) string {
	text, err := m.configMap("istio-system", suffixed("istio", revision), "mesh")
	if err != nil {
		return ""
	}
	var config struct {
		DefaultConfig struct{ DiscoveryAddress string }
	}
	_ = yaml.Unmarshal([]byte(text), &config)
	return config.DefaultConfig.DiscoveryAddress
}

// serviceAddresses are the ready endpoints of `NAME.NAMESPACE.svc:PORT`.
func (m *mesh) serviceAddresses(address string) []string {
	host := strings.Split(strings.Split(address, ":")[0], ".")
	if len(host) < 2 {
		return nil
	}
	selector := labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: host[0]})
	slices, _ := m.slices.EndpointSlices(host[1]).List(selector)
	var addresses []string
	for _, slice := range slices {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
				addresses = append(addresses, endpoint.Addresses...)
			}
		}
	}
	return addresses
}

// oldestIstiods are the addresses of the ready istiods of the lowest version.
func (m *mesh) oldestIstiods() []string {
	istiods, _ := m.pods.List(labels.SelectorFromSet(labels.Set{"app": "istiod"}))
	lowest, addresses := 0, []string(nil)
	for _, pod := range istiods {
		if pod.DeletionTimestamp != nil || !isReady(pod) {
			continue
		}
		version := minor(imageVersion(pod.Spec.Containers[0].Image))
		if addresses == nil || version < lowest {
			lowest, addresses = version, nil
		}
		if version == lowest {
			addresses = append(addresses, pod.Status.PodIP)
		}
	}
	return addresses
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
