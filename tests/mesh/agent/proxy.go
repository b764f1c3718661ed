package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
)

// faultAnnotation makes a pod's proxy misbehave: nack, never-ack, stay-old, both, absent. `FAULT@REVISION` does so only
// when that revision injected the pod, so that a Deployment can carry its fault before the upgrade begins.
const faultAnnotation = "mesh.test/proxy"

// delayAnnotation delays a pod's proxy more than the agent's own setting does.
const delayAnnotation = "mesh.test/connect-delay"

func faultOf(pod *corev1.Pod) string {
	fault, revision, scoped := strings.Cut(pod.Annotations[faultAnnotation], "@")
	if scoped && revision != revisionOf(pod) {
		return ""
	}
	return fault
}

// proxyContainer finds the sidecar, native or not.
func proxyContainer(pod *corev1.Pod) *corev1.Container {
	for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for index := range containers {
			if containers[index].Name == "istio-proxy" {
				return &containers[index]
			}
		}
	}
	return nil
}

// A proxy is one sidecar.
type proxy struct {
	*mesh
	pod       *corev1.Pod
	container *corev1.Container
	fault     string
	version   string
	node      *core.Node
}

// runProxy holds the streams of a pod's proxy until the pod ends.
func (m *mesh) runProxy(ctx context.Context, pod *corev1.Pod, container *corev1.Container, fault string) {
	p := &proxy{mesh: m, pod: pod, container: container, fault: fault, version: imageVersion(container.Image)}
	address := p.discoveryAddress()
	node, err := p.describe(address)
	if err != nil {
		log.Printf("proxy %s.%s: %v", pod.Name, pod.Namespace, err)
		return
	}
	p.node = node
	own := func() []string { return m.serviceAddresses(address) }
	targets := []func() []string{own}
	switch fault {
	case "absent":
		return
	case "stay-old":
		targets = []func() []string{m.oldestIstiods}
	case "both":
		targets = append(targets, m.oldestIstiods)
	}
	delay, _ := time.ParseDuration(pod.Annotations[delayAnnotation])
	if !pause(ctx, max(delay, m.connectDelay)) {
		return
	}
	var streams sync.WaitGroup
	for _, target := range targets {
		streams.Go(func() { p.connect(ctx, target) })
	}
	streams.Wait()
}

// discoveryAddress is where the sidecar was told to connect: in its environment, its arguments (1.5) or the mesh
// configuration of its revision (1.6).
func (p *proxy) discoveryAddress() string {
	for _, variable := range p.container.Env {
		if variable.Name != "PROXY_CONFIG" {
			continue
		}
		var config struct{ DiscoveryAddress string }
		_ = json.Unmarshal([]byte(variable.Value), &config)
		if config.DiscoveryAddress != "" {
			return config.DiscoveryAddress
		}
	}
	for index, argument := range p.container.Args {
		if argument == "--discoveryAddress" && index+1 < len(p.container.Args) {
			return p.container.Args[index+1]
		}
	}
	if address := p.meshDiscovery(revisionOf(p.pod)); address != "" {
		return address
	}
	return "istiod.istio-system.svc:15012"
}

// describe is the node that the proxy introduces itself with.
func (p *proxy) describe(discoveryAddress string) (*core.Node, error) {
	cluster := "Kubernetes"
	for _, variable := range p.container.Env {
		if variable.Name == "ISTIO_META_CLUSTER_ID" && variable.Value != "" {
			cluster = variable.Value
		}
	}
	labels := map[string]any{}
	for key, value := range p.pod.Labels {
		labels[key] = value
	}
	metadata, err := structpb.NewStruct(map[string]any{
		"NAME": p.pod.Name, "NAMESPACE": p.pod.Namespace, "CLUSTER_ID": cluster, "ISTIO_VERSION": p.version,
		"LABELS": labels, "INSTANCE_IPS": p.pod.Status.PodIP, "SERVICE_ACCOUNT": p.pod.Spec.ServiceAccountName,
		"PROXY_CONFIG": map[string]any{"discoveryAddress": discoveryAddress},
	})
	id := fmt.Sprintf("sidecar~%s~%s.%s~%s.svc.cluster.local", p.pod.Status.PodIP, p.pod.Name, p.pod.Namespace, p.pod.Namespace)
	return &core.Node{Id: id, Cluster: p.pod.Labels["app"] + "." + p.pod.Namespace, Metadata: metadata}, err
}

// connect holds a stream to one of the target's addresses, and opens it again whenever it ends.
func (p *proxy) connect(ctx context.Context, target func() []string) {
	for wait := time.Duration(0); ; {
		if addresses := target(); len(addresses) > 0 {
			if p.stream(ctx, addresses[rand.IntN(len(addresses))]) {
				wait = 0
			}
		}
		wait = min(2*wait+250*time.Millisecond, 4*time.Second)
		if !pause(ctx, wait/2+rand.N(wait)) {
			return
		}
	}
}

// stream asks one istiod for clusters and listeners and answers as the fault says. It tells whether istiod ever spoke.
func (p *proxy) stream(ctx context.Context, address string) (spoke bool) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(p.pod.Status.PodIP)}}
	connection, err := grpc.NewClient("passthrough:///"+address+":15010",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		}))
	if err != nil {
		return false
	}
	defer connection.Close()
	service, types := "v3", []string{"envoy.config.cluster.v3.Cluster", "envoy.config.listener.v3.Listener"}
	if speaksV2(p.version) {
		service, types = "v2", []string{"envoy.api.v2.Cluster", "envoy.api.v2.Listener"}
	}
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
		"/envoy.service.discovery."+service+".AggregatedDiscoveryService/StreamAggregatedResources")
	if err != nil {
		return false
	}
	for _, name := range types {
		if stream.SendMsg(&discovery.DiscoveryRequest{Node: p.node, TypeUrl: "type.googleapis.com/" + name}) != nil {
			return false
		}
	}
	accepted := map[string]string{}
	for {
		response := &discovery.DiscoveryResponse{}
		if stream.RecvMsg(response) != nil {
			return spoke
		}
		spoke = true
		if answer := p.answer(response, accepted); answer != nil && stream.SendMsg(answer) != nil {
			return spoke
		}
	}
}

// answer acknowledges a response, or not.
func (p *proxy) answer(response *discovery.DiscoveryResponse, accepted map[string]string) *discovery.DiscoveryRequest {
	request := &discovery.DiscoveryRequest{Node: p.node, TypeUrl: response.TypeUrl, ResponseNonce: response.Nonce}
	switch p.fault {
	case "never-ack":
		return nil
	case "nack":
		request.ErrorDetail = &status.Status{Code: int32(codes.InvalidArgument), Message: "refused by " + faultAnnotation}
	default:
		accepted[response.TypeUrl] = response.VersionInfo
	}
	request.VersionInfo = accepted[response.TypeUrl]
	return request
}
