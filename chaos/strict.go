package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// checkShape holds a JSON value against the Go type that it is meant for and
// reports every unknown field and every wrong type, with the path of each.
// The decoder that fills the type (sigs.k8s.io/json) is as strict, but stops
// at the first wrong type; this pass exists so that all are told at once.
// Numbers must have been decoded as json.Number.
func (f *findings) checkShape(path string, value any, want reflect.Type) {
	for want.Kind() == reflect.Pointer {
		want = want.Elem()
	}
	if value == nil {
		return // null means absent, as in Kubernetes
	}
	if reflect.PointerTo(want).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return // it knows best (times, quantities); the decoder asks it
	}
	switch want.Kind() {
	case reflect.Struct:
		f.checkObject(path, value, want)
	case reflect.Map:
		f.checkMap(path, value, want.Elem())
	case reflect.Slice:
		f.checkList(path, value, want.Elem())
	default:
		f.checkScalar(path, value, want.Kind())
	}
}

func (f *findings) checkObject(path string, value any, want reflect.Type) {
	object, ok := value.(map[string]any)
	if !ok {
		f.wrongType(path, value, "an object")
		return
	}
	fields := jsonFields(want)
	for _, key := range slices.Sorted(maps.Keys(object)) {
		field, known := fields[key]
		if !known {
			allowed := slices.Sorted(maps.Keys(fields))
			f.add(join(path, key), "unknown field; allowed here: %s", oneOf(allowed))
			continue
		}
		f.checkShape(join(path, key), object[key], field)
	}
}

func (f *findings) checkMap(path string, value any, want reflect.Type) {
	object, ok := value.(map[string]any)
	if !ok {
		f.wrongType(path, value, "an object")
		return
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		f.checkShape(path+"["+key+"]", object[key], want)
	}
}

func (f *findings) checkList(path string, value any, want reflect.Type) {
	list, ok := value.([]any)
	if !ok {
		f.wrongType(path, value, "a list")
		return
	}
	for i, element := range list {
		f.checkShape(path+"["+strconv.Itoa(i)+"]", element, want)
	}
}

func (f *findings) checkScalar(path string, value any, want reflect.Kind) {
	switch want {
	case reflect.String:
		if _, ok := value.(string); !ok {
			f.wrongType(path, value, "a string, in quotes")
		}
	case reflect.Bool:
		if _, ok := value.(bool); !ok {
			f.wrongType(path, value, "true or false")
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		number, ok := value.(json.Number)
		if _, err := strconv.ParseInt(string(number), 10, bits(want)); !ok || err != nil {
			f.wrongType(path, value, fmt.Sprintf("a whole number of at most %d bits", bits(want)))
		}
	}
	// Other kinds do not occur in the types of today; the decoder judges them.
}

// bits is the size of a kind of whole number.
func bits(kind reflect.Kind) int {
	if kind == reflect.Int32 {
		return 32
	}
	return 64
}

func (f *findings) wrongType(path string, value any, want string) {
	text, err := json.Marshal(value)
	if err != nil {
		text = []byte("this")
	}
	if len(text) > 60 {
		text = append(text[:60], "…"...)
	}
	f.add(path, "%s must be %s", text, want)
}

// jsonFields are the fields of a struct under their names in JSON, those of
// inlined structs included.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || !field.IsExported():
		case name == "" && (field.Anonymous || options == "inline"):
			maps.Copy(fields, jsonFields(field.Type))
		case name == "":
			fields[field.Name] = field.Type
		default:
			fields[name] = field.Type
		}
	}
	return fields
}

// jsonPath turns a path of Go's field names, as Chaos Mesh's validation reports
// it, into one of JSON names: "Spec.ContainerSelector.PodSelector.value"
// becomes "spec.value".
func jsonPath(path string, t reflect.Type) string {
	var names []string
	for part := range strings.SplitSeq(path, ".") {
		goName, index, _ := strings.Cut(part, "[")
		if index != "" {
			index = "[" + index
		}
		name := goName
		if t != nil && t.Kind() == reflect.Struct {
			if field, ok := t.FieldByName(goName); ok {
				name, _, _ = strings.Cut(field.Tag.Get("json"), ",")
				t = elem(field.Type)
			}
		}
		if name != "" { // an inlined struct has no name of its own
			names = append(names, name+index)
		}
	}
	return strings.Join(names, ".")
}

// elem is what a pointer, list or map holds in the end.
func elem(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
