package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"testing"

	"squall/cluster"
	"squall/scenarios"

	"github.com/stretchr/testify/assert"
)

func TestFailuresAreOneErrorLineAndHints(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	invalid := &invalidFiles{each: []*scenarios.InvalidError{{Findings: []scenarios.Finding{{File: "a.yaml", Line: 3, Problem: "is odd"}}}}}
	for name, test := range map[string]struct {
		ctx  context.Context
		err  error
		code int
		says string
	}{
		"none":    {t.Context(), nil, 0, ""},
		"outcome": {t.Context(), outcome(1), 1, ""},
		"misuse":  {t.Context(), misuse(errors.New("no"), "do this", "or that"), 2, "squall: error: no\nsquall: hint: do this\nsquall: hint: or that\n"},
		"unfit":   {t.Context(), unfit(errors.New("no")), 3, "squall: error: no\n"},
		"joined":  {t.Context(), misuse(errors.Join(errors.New("one"), errors.New("two"))), 2, "squall: error: one\nsquall: error: two\n"},
		"findings": {t.Context(), misuse(errors.Join(invalid, errors.New("two"))), 2,
			"a.yaml:3: is odd\nsquall: error: a.yaml is not a valid scenario: 1 finding\nsquall: error: two\n"},
		"interrupted": {ended, context.Canceled, 3, "squall: error: context canceled\n"},
		"ours": {t.Context(), errors.New("line one\nline two"), 4,
			"squall: error: line one\nline two\nsquall: hint: \"squall doctor\" checks this host, \"squall clean\" removes what a killed run left\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			c := &cli{stderr: &said}
			assert.Equal(t, test.code, c.report(test.ctx, test.err))
			assert.Equal(t, test.says, said.String())
		})
	}
}

func TestAReportThatCannotBeWrittenHidesNoVerdict(t *testing.T) {
	t.Parallel()
	broken := running{json: t.TempDir()} // a folder
	for had, want := range map[int]int{exitDone: exitError, exitFail: exitFail, exitInconclusive: exitInconclusive, exitError: exitError} {
		var said bytes.Buffer
		c := &cli{stderr: &said}
		assert.Equal(t, want, c.report(t.Context(), c.conclude(broken, ran{code: had}, nil)))
		assert.Contains(t, said.String(), "squall: error: write the report: ")
	}
}

func TestAnUnfitHostEndsWithTheWayOut(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		says string
	}{
		{exec.ErrNotFound, "squall: hint: install Go 1.26.4 or later"},
		{cluster.ErrHost, `squall: hint: "squall doctor" says what this host lacks`},
	} {
		var said bytes.Buffer
		c := &cli{stderr: &said}
		failed := fmt.Errorf("make it: %w", test.err)
		assert.Equal(t, exitInconclusive, c.report(t.Context(), notMade(failed)))
		assert.Contains(t, said.String(), test.says)
		said.Reset()
		assert.Equal(t, exitInconclusive, c.report(t.Context(), c.conclude(running{}, ran{code: exitInconclusive}, failed)))
		assert.Contains(t, said.String(), test.says)
	}
}

func TestWorstExitCodeWins(t *testing.T) {
	t.Parallel()
	order := []int{exitDone, exitInconclusive, exitFail, exitError}
	for i, a := range order {
		for j, b := range order {
			assert.Equal(t, order[max(i, j)], worse(a, b))
		}
	}
}
