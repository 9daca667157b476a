package run

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"squall/reports"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
)

// holding is a redactor that has seen a Secret with these values.
func holding(values ...string) *redactor {
	secret := &corev1.Secret{Data: map[string][]byte{}}
	for i, value := range values {
		secret.Data[fmt.Sprint(i)] = []byte(value)
	}
	r := &redactor{}
	r.seeSecret(secret, false)
	return r
}

const canary = `c4n<ry "q&a" é/+?`

func TestNoFormOfASecretIsLeft(t *testing.T) {
	r := holding(canary)
	basic := func(prefix, suffix string) string {
		return base64.StdEncoding.EncodeToString([]byte(prefix + canary + suffix))
	}
	for name, text := range map[string]string{
		"plain": canary, "Go": fmt.Sprintf("%q", canary), "JSON": jsonText(canary, true), "JSON for people": jsonText(canary, false),
		"a query": url.QueryEscape(canary), "a path": url.PathEscape(canary),
		"base64": basic("", ""), "base64 in a text": basic("user:", " and more"), "one further": basic("user1:", "x"), "two further": basic("user12:", ""),
		"base64 for URLs": base64.RawURLEncoding.EncodeToString([]byte(canary)),
	} {
		got := r.text("before " + text + " after\n")
		assert.Contains(t, got, redacted, name)
		assert.NotContains(t, got, "4n", name)
		assert.Less(t, len(strings.ReplaceAll(got, redacted, "")), len("before  after\n")+24, "%s: %s", name, got)
		assert.True(t, strings.HasPrefix(got, "before ") && strings.HasSuffix(got, " after\n"), name)
	}
}

func TestSecretsOfSeveralLines(t *testing.T) {
	key := "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7\nbXlzZWNyZXRrZXk9\nab=\n-----END KEY-----\n"
	r := holding(key)
	assert.Equal(t, "key: [redacted]", r.text("key: "+key))
	assert.Equal(t, "12:00 -----BEGIN KEY-----\n12:01 [redacted]\n", r.text("12:00 -----BEGIN KEY-----\n12:01 MIIEpAIBAAKCAQEA7\n"))
}

func TestLongerSecretsGoFirstAndShortOnesStay(t *testing.T) {
	r := holding("hunter2", "hunter2-longer", "on", " spaced\n")
	assert.Equal(t, "[redacted] [redacted] on [redacted]", r.text("hunter2-longer hunter2 on spaced"))
	r.learn("learnt later")
	assert.Equal(t, "[redacted]", r.text("learnt later"), "after it was used once")
}

func TestWhatLooksLikeAToken(t *testing.T) {
	r := &redactor{}
	jwt := "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl-_x"
	for text, want := range map[string]string{
		"> Authorization: Basic dXNlcjpwYXNz\nnext":      "> Authorization: [redacted]\nnext",
		`{"authorization":"Digest realm=x, response=y"}`: `{"authorization":"[redacted]`,
		"sent bearer abc.DEF-123~x/y= to b":              "sent bearer [redacted] to b",
		`curl -H "Proxy-AUTHORIZATION: abc"`:             `curl -H "Proxy-AUTHORIZATION: [redacted]`,
		"token=" + jwt + ".":                             "token=[redacted].",
		"no authorization was asked for":                 "no authorization [redacted]", // rather too much
		"the bearer of news":                             "the bearer of news",
		"eyJ is no token":                                "eyJ is no token",
	} {
		assert.Equal(t, want, r.text(text))
	}
}

func TestFreeTextsOfEntriesAreRedacted(t *testing.T) {
	r := newRecorder(newClock(), nil, nil)
	r.secrets.learn("hunter2")
	says := "it says hunter2"
	for _, e := range []reports.Entry{
		{Trouble: &reports.TroubleEntry{What: says}}, {Event: &reports.EventEntry{Detail: says}},
		{Notice: &reports.NoticeEntry{Message: says}}, {Log: &reports.LogEntry{Unread: says}},
	} {
		assert.NotContains(t, jsonText(fmt.Sprint(jsonEntry(r.redact(e))), false), "hunter2")
		assert.Contains(t, jsonEntry(e), "hunter2", "the one that was given stays")
	}
	same := reports.Entry{Request: &reports.RequestEntry{}}
	assert.Same(t, same.Request, r.redact(same).Request)
}

func TestObjectsAreRedacted(t *testing.T) {
	r := holding("hunter2")
	tree := func(kind string) map[string]any {
		return map[string]any{
			"kind": kind, "data": map[string]any{"a": "aHVudGVyMg==", "b": "other"}, "stringData": map[string]any{"c": "other"},
			"spec": map[string]any{"args": []any{"--password=hunter2", int64(3)}},
		}
	}
	spec := map[string]any{"args": []any{"--password=[redacted]", int64(3)}}
	assert.Equal(t, map[string]any{
		"kind": "Secret", "data": map[string]any{"a": redacted, "b": redacted}, "stringData": map[string]any{"c": redacted}, "spec": spec,
	}, r.tree(tree("Secret"), "", true))
	assert.Equal(t, map[string]any{
		"kind": "ConfigMap", "data": map[string]any{"a": redacted, "b": "other"}, "stringData": map[string]any{"c": "other"}, "spec": spec,
	}, r.tree(tree("ConfigMap"), "", false))
}
