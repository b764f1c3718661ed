package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// debugAnnotation says where a port-forward to an istiod comes out: `pod-ip` makes istiod see the pod's address, so that
// its debug endpoints ask for a token; otherwise it sees a loopback address, as behind a real kubelet.
const debugAnnotation = "mesh.test/debug"

// runIstiod keeps pilot-discovery running behind a pod until the pod ends.
func (m *mesh) runIstiod(ctx context.Context, pod *corev1.Pod) {
	for {
		if err := m.istiodOnce(ctx, pod); err != nil && ctx.Err() == nil {
			log.Printf("istiod %s: %v", pod.Name, err)
		}
		if !pause(ctx, time.Second) {
			return
		}
		m.markReady(ctx, pod, false)
	}
}

// istiodOnce runs the process once. It is killed with the thread that started it, so it cannot outlive a killed agent.
func (m *mesh) istiodOnce(ctx context.Context, pod *corev1.Pod) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	version := imageVersion(pod.Spec.Containers[0].Image)
	dir := filepath.Join(m.work, pod.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	environment := istiodEnvironment(pod)
	if speaksV2(version) {
		more, err := m.oldIstiod(ctx, pod, dir)
		if err != nil {
			return err
		}
		environment = append(environment, more...)
	}
	output, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer output.Close()
	process := exec.CommandContext(ctx, filepath.Join(m.binaries, "pilot-discovery-"+version), m.istiodArguments(pod, version)...)
	process.Dir, process.Env, process.Stdout, process.Stderr = dir, environment, output, output
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	process.Cancel = func() error { return process.Process.Signal(syscall.SIGTERM) }
	process.WaitDelay = 3 * time.Second
	if err := process.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go m.probe(ctx, pod)
	return process.Wait()
}

func (m *mesh) istiodArguments(pod *corev1.Pod, version string) []string {
	ip := pod.Status.PodIP
	arguments := []string{
		"discovery", "--kubeconfig", m.kubeconfig, "--domain", "cluster.local", "--ctrlz_port", "0",
		"--httpAddr", ip + ":8080", "--httpsAddr", ip + ":15017", "--grpcAddr", ip + ":15010", "--monitoringAddr=" + ip + ":15014",
	}
	switch {
	case !speaksV2(version):
		arguments = append(arguments, "--secureGRPCAddr", ip+":15012")
	case minor(version) < 6000:
		arguments = append(arguments, "--secureGrpcAddr=")
	}
	return arguments
}

// istiodEnvironment is the environment of the pod's own container, as far as a kubelet would know it from the pod alone.
func istiodEnvironment(pod *corev1.Pod) []string {
	revision := revisionOf(pod)
	environment := []string{
		"PATH=" + os.Getenv("PATH"),
		"INJECTION_WEBHOOK_CONFIG_NAME=" + suffixed("istio-sidecar-injector", revision),
		"VALIDATION_WEBHOOK_CONFIG_NAME=" + suffixed("istio-validator", revision) + "-" + pod.Namespace,
	}
	fields := map[string]string{
		"metadata.name": pod.Name, "metadata.namespace": pod.Namespace,
		"spec.serviceAccountName": pod.Spec.ServiceAccountName, "status.podIP": pod.Status.PodIP,
	}
	for _, variable := range pod.Spec.Containers[0].Env {
		switch {
		case variable.Name == "KUBECONFIG":
		case variable.ValueFrom == nil:
			environment = append(environment, variable.Name+"="+variable.Value)
		case variable.ValueFrom.FieldRef != nil:
			if value, known := fields[variable.ValueFrom.FieldRef.FieldPath]; known {
				environment = append(environment, variable.Name+"="+value)
			}
		}
	}
	return environment
}

// oldIstiod writes the files that istiods of 1.5 and 1.6 expect to be mounted, and answers with their environment.
func (m *mesh) oldIstiod(ctx context.Context, pod *corev1.Pod, dir string) ([]string, error) {
	revision := revisionOf(pod)
	files := map[string][2]string{
		"etc/istio/config/mesh":       {"istio", "mesh"},
		"var/lib/istio/inject/config": {"istio-sidecar-injector", "config"},
		"var/lib/istio/inject/values": {"istio-sidecar-injector", "values"},
	}
	contents := map[string]string{}
	for path, source := range files {
		content, err := m.configMap(pod.Namespace, suffixed(source[0], revision), source[1])
		if err != nil {
			return nil, err
		}
		contents[path] = content
	}
	token, err := m.client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, "default", &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: []string{"istio-ca"}},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	contents["var/run/secrets/tokens/istio-token"] = token.Status.Token
	for path, content := range contents {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	// The secure listener of these versions binds every address: a port of its own for each istiod.
	free, err := net.Listen("tcp", ":0")
	if err != nil {
		return nil, err
	}
	defer free.Close()
	_, port, _ := net.SplitHostPort(free.Addr().String())
	return []string{
		"JWT_POLICY=third-party-jwt", "PILOT_CERT_PROVIDER=istiod",
		"ISTIOD_ADDR=" + suffixed("istiod", revision) + "." + pod.Namespace + ".svc:" + port,
	}, nil
}

// probe is the readiness probe: the pod becomes Ready when istiod says so.
func (m *mesh) probe(ctx context.Context, pod *corev1.Pod) {
	client := http.Client{Timeout: time.Second}
	for ready := false; pause(ctx, 200*time.Millisecond); {
		response, err := client.Get("http://" + pod.Status.PodIP + ":8080/ready")
		now := err == nil && response.StatusCode == http.StatusOK
		if err == nil {
			response.Body.Close()
		}
		if now != ready && m.markReady(ctx, pod, now) {
			ready = now
		}
	}
}

// markReady writes a pod's readiness and says whether that worked.
func (m *mesh) markReady(ctx context.Context, pod *corev1.Pod, ready bool) bool {
	status := map[bool]string{true: "True", false: "False"}[ready]
	containers := pod.DeepCopy().Status.ContainerStatuses
	for index := range containers {
		containers[index].Ready = ready
	}
	now := metav1.Now()
	patch, _ := json.Marshal(map[string]any{"status": map[string]any{
		"containerStatuses": containers,
		"conditions": []any{
			map[string]any{"type": "Ready", "status": status, "lastTransitionTime": now},
			map[string]any{"type": "ContainersReady", "status": status, "lastTransitionTime": now},
		},
	}})
	_, err := m.client.CoreV1().Pods(pod.Namespace).
		Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err == nil
}

// forwardedPorts are those of an istiod that clients forward: health and debug, secure xDS (istioctl), monitoring.
var forwardedPorts = []int64{8080, 15012, 15014}

// runForward lets port-forwards reach an istiod, by a relay on a loopback address of its own.
func (m *mesh) runForward(ctx context.Context, pod *corev1.Pod, target string) {
	address := pod.Status.PodIP
	if target != "pod-ip" {
		address = "127." + strings.SplitN(pod.Status.PodIP, ".", 2)[1]
		for _, port := range forwardedPorts {
			go relay(ctx, fmt.Sprint(address, ":", port), fmt.Sprint(pod.Status.PodIP, ":", port))
		}
	}
	forwards := []any{}
	for _, port := range forwardedPorts {
		forwards = append(forwards, map[string]any{
			"ports": []any{port}, "target": map[string]any{"address": address, "port": port},
		})
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "PortForward",
		"metadata": map[string]any{
			"name": pod.Name, "namespace": pod.Namespace,
			"ownerReferences": []any{map[string]any{
				"apiVersion": "v1", "kind": "Pod", "name": pod.Name, "uid": string(pod.UID),
			}},
		},
		"spec": map[string]any{"forwards": forwards},
	}}
	resource := schema.GroupVersionResource{Group: "kwok.x-k8s.io", Version: "v1alpha1", Resource: "portforwards"}
	for {
		_, err := m.dynamic.Resource(resource).Namespace(pod.Namespace).
			Apply(ctx, pod.Name, object, metav1.ApplyOptions{FieldManager: "mesh-agent", Force: true})
		if err == nil {
			break
		}
		log.Printf("forward %s: %v", pod.Name, err)
		if !pause(ctx, time.Second) {
			return
		}
	}
	<-ctx.Done()
}

// relay passes connections on from one loopback address, so that the far side sees a loopback peer.
func relay(ctx context.Context, from, to string) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", from)
	if err != nil {
		log.Printf("relay %s: %v", from, err)
		return
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer near.Close()
			far, err := dialer.DialContext(ctx, "tcp", to)
			if err != nil {
				return
			}
			defer far.Close()
			go func() {
				_, _ = io.Copy(far, near)
				_ = far.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(near, far)
		}()
	}
}
