// The agent plays the kubelet's part for Istio on KWOK nodes: behind each Running istiod pod it runs the real
// pilot-discovery of the version that the image's tag names, and for each Running pod with an istio-proxy container it
// holds the ADS stream that the proxy would hold. README.md beside it lists the annotations that make proxies misbehave.
package main

import (
	"context"
	"flag"
	"log"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	m := &mesh{actors: map[string]*actor{}}
	flag.StringVar(&m.kubeconfig, "kubeconfig", "", "kubeconfig of the mesh")
	flag.StringVar(&m.binaries, "binaries", "", "folder with pilot-discovery-VERSION")
	flag.StringVar(&m.work, "work", "", "folder for the istiods' working folders and logs")
	flag.DurationVar(&m.connectDelay, "connect-delay", 0, "wait this long before a proxy connects")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", m.kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	config.UserAgent = "mesh-agent"
	config.QPS = -1
	m.client = kubernetes.NewForConfigOrDie(config)
	m.dynamic = dynamic.NewForConfigOrDie(config)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	m.watch(ctx)
	<-ctx.Done()
	m.ended.Wait()
}

// watch keeps the lookups fresh and reconciles every pod event.
func (m *mesh) watch(ctx context.Context) {
	factory := informers.NewSharedInformerFactoryWithOptions(m.client, 0, informers.WithTransform(slim))
	m.pods = factory.Core().V1().Pods().Lister()
	m.configMaps = factory.Core().V1().ConfigMaps().Lister()
	m.slices = factory.Discovery().V1().EndpointSlices().Lister()
	pods := factory.Core().V1().Pods().Informer()
	for _, lookup := range []cache.SharedIndexInformer{
		pods, factory.Core().V1().ConfigMaps().Informer(), factory.Discovery().V1().EndpointSlices().Informer(),
	} {
		go lookup.Run(ctx.Done())
	}
	factory.WaitForCacheSync(ctx.Done())
	changed := func(object any) { m.reconcile(ctx, object.(*corev1.Pod)) }
	_, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    changed,
		UpdateFunc: func(_, pod any) { changed(pod) },
		DeleteFunc: func(object any) {
			if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = tombstone.Obj
			}
			m.stop(object.(*corev1.Pod))
		},
	})
	if err != nil {
		log.Fatal(err)
	}
}

// slim drops what nobody here reads, so that a thousand pods stay small.
func slim(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}

// An actor is one running part of a pod: an istiod process, its port forward, or a proxy.
type actor struct {
	// fingerprint is what the actor was started with; a different one replaces it.
	fingerprint string
	cancel      context.CancelFunc
	done        chan struct{}
}

type part struct {
	fingerprint string
	run         func(context.Context)
}

// partNames are all the parts that a pod can have.
var partNames = []string{"istiod", "forward", "proxy"}

func (m *mesh) parts(pod *corev1.Pod) map[string]part {
	parts := map[string]part{}
	if pod.DeletionTimestamp != nil || pod.Status.Phase != corev1.PodRunning || pod.Status.PodIP == "" {
		return parts
	}
	if pod.Labels["app"] == "istiod" {
		parts["istiod"] = part{"", func(ctx context.Context) { m.runIstiod(ctx, pod) }}
		target := pod.Annotations[debugAnnotation]
		parts["forward"] = part{target, func(ctx context.Context) { m.runForward(ctx, pod, target) }}
	} else if container := proxyContainer(pod); container != nil {
		fault := faultOf(pod)
		parts["proxy"] = part{fault, func(ctx context.Context) { m.runProxy(ctx, pod, container, fault) }}
	}
	return parts
}

// reconcile starts, replaces and ends the parts of a pod.
func (m *mesh) reconcile(ctx context.Context, pod *corev1.Pod) {
	parts := m.parts(pod)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, name := range partNames {
		key := string(pod.UID) + "/" + name
		wanted, want := parts[name]
		current, have := m.actors[key]
		if have && want && current.fingerprint == wanted.fingerprint {
			continue
		}
		before := make(chan struct{})
		if have {
			current.cancel()
			before = current.done
			delete(m.actors, key)
		} else {
			close(before)
		}
		if want {
			m.actors[key] = m.start(ctx, wanted, before)
		}
	}
}

func (m *mesh) start(ctx context.Context, wanted part, before <-chan struct{}) *actor {
	ctx, cancel := context.WithCancel(ctx)
	started := &actor{wanted.fingerprint, cancel, make(chan struct{})}
	m.ended.Add(1)
	go func() {
		defer m.ended.Done()
		defer close(started.done)
		<-before
		wanted.run(ctx)
	}()
	return started
}

func (m *mesh) stop(pod *corev1.Pod) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, name := range partNames {
		key := string(pod.UID) + "/" + name
		if current, have := m.actors[key]; have {
			current.cancel()
			delete(m.actors, key)
		}
	}
}

// pause waits, and says whether to go on.
func pause(ctx context.Context, duration time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(duration):
		return true
	}
}
