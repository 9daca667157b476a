package scenarios

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"squall/chaos"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
)

// decoder fills Go values from YAML nodes. It goes on after a finding, so that
// one pass says all, and remembers where each path stands, so that later checks
// can point at it. The yaml tags of the types are the format: a field without
// one does not exist in a file.
type decoder struct {
	found  *findings
	twin   string           // the twin whose patch was applied to the tree
	places map[string]place // path → where it stands
	broken map[string]bool  // paths that have a finding, and all above them
	wrong  map[string]bool  // paths that have a finding of their own
}

// place is where a path stands in the file.
type place struct{ key, value *yaml.Node }

// newDecoder returns a decoder that adds to found.
func newDecoder(found *findings, twin string) *decoder {
	return &decoder{found: found, twin: twin, places: map[string]place{}, broken: map[string]bool{}, wrong: map[string]bool{}}
}

// say adds a finding about the node at path.
func (d *decoder) say(n *yaml.Node, found Finding) {
	found.Twin = d.twin
	d.spoil(found.Path)
	d.found.add(n, found)
}

// spoil remembers that path has a finding.
func (d *decoder) spoil(path string) {
	d.wrong[path] = true
	for p := path; p != "" && !d.broken[p]; p = parentPath(p) {
		d.broken[p] = true
	}
}

// mark remembers where a path stands. The first of two equal paths stays: the
// second one has a finding of its own.
func (d *decoder) mark(path string, key, value *yaml.Node) {
	if _, known := d.places[path]; !known {
		d.places[path] = place{key: key, value: value}
	}
}

// entry is the path of a list's entry, as the list was decoded; by its name when
// the list is not in the file.
func (d *decoder) entry(list, name string, index int) string {
	if at, ok := d.places[list]; ok && name == "" && index < len(at.value.Content) {
		return entryPath(list, at.value.Content[index], index)
	}
	return list + "[" + shorten(name) + "]"
}

// has tells whether the file says anything at path.
func (d *decoder) has(path string) bool {
	_, ok := d.places[path]
	return ok
}

// value decodes n into v, which can be set.
func (d *decoder) value(n *yaml.Node, path string, v reflect.Value) {
	switch {
	case n.Style&yaml.TaggedStyle != 0:
		d.spoil(path) // said when the tree was looked at
		return
	case n.Kind == yaml.AliasNode:
		d.say(n, Finding{Path: path, Value: brief(n), Problem: noAliases})
		return
	case d.scalarLike(n, path, v):
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		d.value(n, path, fresh.Elem())
		v.Set(fresh)
	case reflect.Struct:
		d.structure(n, path, v)
	case reflect.Map:
		d.dictionary(n, path, v)
	case reflect.Slice:
		d.list(n, path, v)
	case reflect.Interface:
		if got, ok := d.free(n, path); ok && got != nil {
			v.Set(reflect.ValueOf(got))
		}
	case reflect.String, reflect.Bool, reflect.Int:
		d.plain(n, path, v)
	default:
		panic(fmt.Sprintf("scenarios: the format has a field of type %s at %s, which the decoder does not know", v.Type(), path))
	}
}

// scalarLike decodes the types that have a notation of their own; false means
// that v is none of them.
func (d *decoder) scalarLike(n *yaml.Node, path string, v reflect.Value) bool {
	var set func(text string) error
	switch target := v.Addr().Interface().(type) {
	case *time.Duration:
		set = func(text string) (err error) { *target, err = parseDuration(text); return err }
	case *resource.Quantity:
		set = func(text string) (err error) { *target, err = parseQuantity(text); return err }
	case *Pace:
		if n.Kind == yaml.SequenceNode {
			d.list(n, path, reflect.ValueOf(&target.Legs).Elem())
			return true
		}
		if n.Kind == yaml.MappingNode {
			d.say(n, Finding{Path: path, Value: brief(n), Problem: "must be a rate, for example 200/s, or a list of legs"})
			return true
		}
		set = func(text string) (err error) { target.Rate, err = ParseRate(text); return err }
	case *LegRate:
		set = func(text string) (err error) { *target, err = ParseLegRate(text); return err }
	case *Status:
		set = func(text string) (err error) { *target, err = ParseStatus(text); return err }
	case *FlagValue:
		set = func(text string) error { *target = FlagValue(text); return nil }
	case *Moment:
		set = func(text string) (err error) { *target, err = ParseMoment(text); return err }
	case **chaos.Object:
		*target = d.fault(n, path)
		return true
	default:
		return false
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		d.say(n, Finding{Path: path, Value: brief(n), Problem: "must be a single value here"})
		return true
	}
	if err := set(n.Value); err != nil {
		d.sayError(n, Finding{Path: path, Value: brief(n)}, err)
	}
	return true
}

// sayError adds a finding whose problem is an error.
func (d *decoder) sayError(n *yaml.Node, found Finding, err error) {
	found.Problem = err.Error()
	var allowed *allowedError
	if errors.As(err, &allowed) {
		found.Problem, found.Allowed = allowed.problem, allowed.allowed
		found.Suggest = nearest(allowed.got, allowed.allowed)
	}
	d.say(n, found)
}

// structure decodes a map into a struct, strictly.
func (d *decoder) structure(n *yaml.Node, path string, v reflect.Value) {
	fields := fieldsOf(v.Type())
	if n.Kind != yaml.MappingNode {
		d.say(n, Finding{Path: path, Value: brief(n), Problem: "must be a map with the fields " + strings.Join(names(fields), ", ")})
		return
	}
	done := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !isText(key) || done[key.Value] {
			continue // said when the tree was looked at
		}
		done[key.Value] = true
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == key.Value })
		if at < 0 {
			d.unknown(key, fieldPath(path, key.Value), v.Type(), names(fields))
			continue
		}
		d.mark(fieldPath(path, key.Value), key, value)
		d.value(value, fieldPath(path, key.Value), v.Field(fields[at].index))
	}
}

// unknown adds the finding for a key that the format does not have, or does
// not have yet.
func (d *decoder) unknown(key *yaml.Node, path string, t reflect.Type, allowed []string) {
	problem := "unknown field"
	if slices.Contains(laterFields(t), key.Value) {
		problem = "not in this version of Squall"
	}
	d.say(key, Finding{Path: path, Problem: problem, Allowed: allowed, Suggest: nearest(key.Value, allowed)})
}

// laterFields are the fields of a type that the format's design has and this
// version has not, so that the message is not "unknown".
func laterFields(t reflect.Type) []string {
	switch t {
	case reflect.TypeFor[Step]():
		return []string{"node-add", "node-remove", "helm-upgrade", "helm-rollback", "load", "exec"}
	case reflect.TypeFor[Workload]():
		return []string{"store", "manifests", "kustomize", "helm"}
	case reflect.TypeFor[Apply]():
		return []string{"file"}
	case reflect.TypeFor[Victims]():
		return []string{"leaderOf"}
	case reflect.TypeFor[Spec]():
		return []string{"clients"}
	}
	return nil
}

// dictionary decodes a map with free keys.
func (d *decoder) dictionary(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.say(n, Finding{Path: path, Value: brief(n), Problem: "must be a map"})
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.Content)/2))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !isText(key) || v.MapIndex(reflect.ValueOf(key.Value)).IsValid() {
			continue // said when the tree was looked at
		}
		at := fieldPath(path, key.Value)
		d.mark(at, key, value)
		entry := reflect.New(v.Type().Elem()).Elem()
		d.value(value, at, entry)
		v.SetMapIndex(reflect.ValueOf(key.Value), entry)
	}
}

// list decodes a list.
func (d *decoder) list(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.say(n, Finding{Path: path, Value: brief(n), Problem: "must be a list"})
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, child := range n.Content {
		at := entryPath(path, child, i)
		d.mark(at, nil, child)
		d.value(child, at, v.Index(i))
	}
}

// plain decodes text, a switch or a whole number.
func (d *decoder) plain(n *yaml.Node, path string, v reflect.Value) {
	problem := ""
	switch v.Kind() {
	case reflect.String:
		if problem = "must be text; put it in quotes"; isText(n) {
			v.SetString(n.Value)
			return
		}
	case reflect.Bool:
		if problem = "must be true or false"; n.ShortTag() == "!!bool" {
			v.SetBool(strings.EqualFold(n.Value, "true"))
			return
		}
	case reflect.Int:
		number, err := strconv.Atoi(n.Value)
		if problem = "must be a whole number"; n.ShortTag() == "!!int" && err == nil {
			v.SetInt(int64(number))
			return
		}
	}
	d.say(n, Finding{Path: path, Value: brief(n), Problem: problem})
}

// field is one field of a struct as the format has it.
type field struct {
	name  string
	index int
}

// fieldsOf lists the fields of a struct type that have a yaml tag.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			fields = append(fields, field{name: name, index: i})
		}
	}
	return fields
}

// names lists the names of fields.
func names(fields []field) []string {
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.name
	}
	return list
}
