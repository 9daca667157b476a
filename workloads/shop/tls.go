package shop

import (
	"slices"
	"strings"

	"squall/workloads/certificates"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	portSecure     = 8443
	portSecureName = "https"
	// Where a pod finds its own certificate, and the one that it shows others.
	serverFolder = "/tls"
	clientFolder = "/client"
)

// SecretOf is the name of the Secret with the certificate of a service.
func SecretOf(service string) string { return service + "-tls" }

// ClientSecret is the name of the Secret with the certificate that clients of a
// workload show.
func ClientSecret(workload string) string { return workload + "-client-tls" }

// port is the port at which services answer.
func (s *Spec) port() (name string, number int32) {
	if s.TLS == "" {
		return portName, port
	}
	return portSecureName, portSecure
}

// secrets are the Secrets that ask for certificates; none without TLS.
func (s *Spec) secrets(workload, namespace string) (all []runtime.Object) {
	if s.TLS == "" {
		return nil
	}
	ask := func(name, use string, names ...string) {
		all = append(all, &corev1.Secret{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{
				Name: name, Namespace: namespace, Labels: map[string]string{labelPartOf: workload, labelManaged: "squall"},
				Annotations: map[string]string{
					certificates.AnnotationUse: use, certificates.AnnotationNames: strings.Join(names, ","),
				},
			},
			Type: corev1.SecretTypeTLS,
		})
	}
	for _, service := range s.Services {
		inside := service + "." + namespace
		ask(SecretOf(service), certificates.UseServer, inside+".svc.cluster.local", inside+".svc", inside, service)
	}
	if s.TLS == TLSMutual {
		ask(ClientSecret(workload), certificates.UseClient, workload+"-client")
	}
	return all
}

// secure has a service's pod speak TLS. Probes and metrics keep a port without.
func (s *Spec) secure(pod *corev1.PodSpec, workload, service string) {
	if s.TLS == "" {
		return
	}
	container := &pod.Containers[0]
	mount := func(name, secret, folder string) {
		pod.Volumes = append(pod.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}})
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: folder, ReadOnly: true})
	}
	container.Ports = slices.Insert(container.Ports, 0, corev1.ContainerPort{Name: portSecureName, ContainerPort: portSecure, Protocol: corev1.ProtocolTCP})
	mount("tls", SecretOf(service), serverFolder)
	authorities := serverFolder + "/" + certificates.KeyAuthority
	container.Args = append(container.Args, "-listen=:8443", "-health=:8080", "-tls="+serverFolder)
	if s.TLS == TLSMutual {
		container.Args = append(container.Args, "-clients="+authorities)
	}
	if service != Gateway {
		return
	}
	container.Args = append(container.Args, "-catalog=https://catalog:8443", "-ca="+authorities)
	if s.TLS == TLSMutual {
		mount("client", ClientSecret(workload), clientFolder)
		container.Args = append(container.Args, "-client="+clientFolder)
	}
}
