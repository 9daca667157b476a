package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"

	"github.com/chaos-mesh/chaos-mesh/api/genericwebhook"
	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	strictjson "sigs.k8s.io/json"
)

// Decode reads a Chaos Mesh object, or one of Squall's own kinds, from JSON,
// strictly. apiVersion and
// metadata may be absent; a namespace that is absent stays so until
// [Object.In]. Chaos Mesh's own Default and Validate run, then what its CRD
// schema demands and its Go code does not, then Squall's own limits: kinds and
// actions that are not there yet, and fields that would do nothing. The error
// is an [*InvalidError] with all findings.
func Decode(raw []byte) (*Object, error) {
	f := &findings{}
	generic := f.object(raw)
	if generic == nil {
		return nil, f.err()
	}
	want := apiVersion()
	if generic["kind"] == kindNodeChaos {
		want = squallVersion
	}
	version, _ := generic["apiVersion"].(string)
	if _, written := generic["apiVersion"]; written && version != want {
		f.add("apiVersion", "%q is not allowed; leave it out or write %s", version, want)
	}
	kind, isText := generic["kind"].(string)
	if !isText && generic["kind"] != nil {
		f.wrongType("kind", generic["kind"], "a string")
		return nil, f.err()
	}
	if !f.checkKind(kind) {
		return nil, f.err()
	}
	object := f.decodePodChaos
	if kind == kindNodeChaos {
		object = f.decodeNodeChaos
	}
	return object(raw, generic)
}

func (f *findings) decodePodChaos(raw []byte, generic map[string]any) (*Object, error) {
	pod := &v1alpha1.PodChaos{}
	f.fill(raw, generic, pod)
	f.checkPodChaos(generic, pod)
	f.checkByChaosMesh(pod)
	if err := f.err(); err != nil {
		return nil, err
	}
	return newPodChaos(pod), nil
}

func (f *findings) decodeNodeChaos(raw []byte, generic map[string]any) (*Object, error) {
	node := &nodeChaos{}
	f.fill(raw, generic, node)
	f.checkNodeChaos(generic, node)
	if err := f.err(); err != nil {
		return nil, err
	}
	return newNodeChaos(node), nil
}

// object reads raw as one JSON object, nil when it is none.
func (f *findings) object(raw []byte) map[string]any {
	if len(bytes.TrimSpace(raw)) == 0 {
		f.add("", "a fault must be a JSON object; there is nothing")
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		f.add("", "a fault must be a JSON object: %v", err)
		return nil
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		f.add("", "a fault must be one JSON object; something follows it")
		return nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		f.wrongType("", value, "an object: a Chaos Mesh object, or one of Squall's own kinds")
		return nil
	}
	return object
}

// fill decodes the object into its real type, as far as it can be. What
// [findings.checkShape] has told is not told again in the decoder's words.
func (f *findings) fill(raw []byte, generic map[string]any, into any) {
	before := len(f.list)
	f.checkShape("", generic, reflect.TypeOf(into))
	strict, err := strictjson.UnmarshalStrict(raw, into)
	if err != nil && len(f.list) == before {
		f.add("", "cannot be read as %s: %v", generic["kind"], err)
	}
	for _, e := range strict {
		path := ""
		if at, ok := e.(strictjson.FieldError); ok {
			path = at.FieldPath()
		}
		if !f.at(path) {
			f.add(path, "%v", e)
		}
	}
}

// checkByChaosMesh runs the type's own Default and Validate. Findings at a
// place that Squall has already found wrong are left out.
func (f *findings) checkByChaosMesh(pod *v1alpha1.PodChaos) {
	pod = pod.DeepCopy()
	applyDefault(pod)
	for _, e := range genericwebhook.Validate(pod) {
		path := jsonPath(e.Field, reflect.TypeOf(*pod))
		if !f.at(path) {
			f.add(path, "%s", e.ErrorBody())
		}
	}
}
