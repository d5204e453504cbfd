// Command gitops says what GitOps controllers make of an object's status.
//
//	gitops kstatus          what Flux and kubectl's waiting libraries say (kstatus)
//	gitops lua health.lua   what Argo CD says with this health check
//
// Standard input holds objects as JSON, one a line. For each, standard output
// gets one line of JSON: {"status", "message"}.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

const (
	mostBytes  = 4 << 20 // of one object: more than etcd holds
	mostScript = 64 << 10
)

// verdict is what a controller shows for an object.
type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type judge func(object *unstructured.Unstructured) (verdict, error)

func byKstatus(object *unstructured.Unstructured) (verdict, error) {
	result, err := status.Compute(object)
	if err != nil {
		return verdict{}, err
	}
	return verdict{result.Status.String(), result.Message}, nil
}

func chosen(args []string) (judge, error) {
	switch {
	case len(args) == 1 && args[0] == "kstatus":
		return byKstatus, nil
	case len(args) == 2 && args[0] == "lua":
		script, err := readScript(args[1])
		if err != nil {
			return nil, err
		}
		return func(object *unstructured.Unstructured) (verdict, error) { return byLua(script, object) }, nil
	}
	return nil, errors.New("usage: gitops kstatus | gitops lua FILE, with objects as lines of JSON on standard input")
}

func run(args []string, in io.Reader, out io.Writer) error {
	said, err := chosen(args)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, mostBytes)
	encoder := json.NewEncoder(out)
	for number := 1; lines.Scan(); number++ {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(lines.Bytes()); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		made, err := said(object)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if err := encoder.Encode(made); err != nil {
			return err
		}
	}
	return lines.Err()
}

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gitops:", err)
		os.Exit(1)
	}
}
