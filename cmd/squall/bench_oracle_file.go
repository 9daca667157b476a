package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"squall/reports"
)

// oracleCase is what is run alike: a fault, with timers, and a flag that was shifted.
type oracleCase struct {
	Kind   string `json:"kind"`
	Timers string `json:"timers"`
	Shift  string `json:"shift,omitempty"`
}

// oracleRun is one run as the file keeps it.
type oracleRun struct {
	oracleCase
	Seed       uint64         `json:"seed"`
	Delay      reports.Offset `json:"delay"` // of the fault, drawn from the seed
	Squall     string         `json:"squall"`
	Kubernetes string         `json:"kubernetes"`
	Provider   string         `json:"provider"`
	SideBySide int            `json:"sideBySide"`
	Record     string         `json:"record,omitempty"` // the name of its folder
	// Again is true of a run that was judged again, from its record.
	Again   bool            `json:"again,omitempty"`
	Outcome reports.Outcome `json:"outcome"`
	Reasons []string        `json:"reasons,omitempty"`
	Took    reports.Offset  `json:"took"`
	// Readings are the windows with their terms, and what was measured;
	// Unpredicted says why there are none.
	Readings    []reports.Predicted `json:"readings,omitempty"`
	Unpredicted string              `json:"unpredicted,omitempty"`
}

// conclusive tells whether the run showed what came of its fault.
func (r oracleRun) conclusive() bool {
	return r.Outcome == reports.Pass || r.Outcome == reports.Fail
}

// same tells whether two lines are about one run.
func (r oracleRun) same(other oracleRun) bool {
	return r.oracleCase == other.oracleCase && r.Seed == other.Seed
}

// openOracleFile opens the file of the runs so far, which need not be there, for
// more. A half line at its end is of a run that was killed as it was written, and
// is cut off.
func openOracleFile(name string) (*os.File, []oracleRun, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("open the runs so far: %w", err)
	}
	raw, err := io.ReadAll(file)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read the runs so far: %w", err), file.Close())
	}
	whole := raw[:bytes.LastIndexByte(raw, '\n')+1]
	runs, err := readOracleRuns(name, whole)
	if err == nil {
		err = file.Truncate(int64(len(whole)))
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, runs, nil
}

// readOracleRuns reads whole lines.
func readOracleRuns(name string, raw []byte) ([]oracleRun, error) {
	var runs []oracleRun
	number := 0
	for line := range bytes.Lines(raw) {
		number++
		var run oracleRun
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&run); err != nil {
			return nil, misuse(fmt.Errorf("%s:%d: no run of this bench: %w", name, number, err), "name another file with --file, or take the line out")
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// keepOracleRun adds a run to the end of the file, in one write.
func keepOracleRun(file io.Writer, run oracleRun) error {
	line, err := json.Marshal(run)
	if err != nil {
		return err
	}
	if _, err := file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("keep a run: %w", err)
	}
	return nil
}

// lastJudged are the runs, each as it was judged last, in the order in which they
// were made.
func lastJudged(lines []oracleRun) []oracleRun {
	var runs []oracleRun
	for _, line := range lines {
		if i := slices.IndexFunc(runs, line.same); i >= 0 {
			runs[i] = line
			continue
		}
		runs = append(runs, line)
	}
	return runs
}

// firstJudged are the runs, each as it was judged when it was made.
func firstJudged(lines []oracleRun) []oracleRun {
	return slices.DeleteFunc(slices.Clone(lines), func(r oracleRun) bool { return r.Again })
}
