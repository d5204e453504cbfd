// Command box is every small program that the node's tests run in a
// container, one static file alone in its image:
//
//	box [pause]                      waits, and reaps what it inherits; also the first process of the node
//	box serve ADDRESS                an application: answers with what it received, and writes a line where that is below /hook/
//	box ask URL [HEADER: VALUE]...   one request; prints its status
//	box client ADDRESS               one request for each that it gets, as that says: {"url", "headers"}; answers with {"status", "error"}
//	box load ADDRESS URL [H: V]...   asks without end; serves what it counted on ADDRESS
//	box hurry ADDRESS URL [H: V]...  the same, and waits for a second alone: for who asks before there is anybody
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const usage = "usage: box [pause] | serve ADDRESS | ask URL [HEADER]... | client ADDRESS | load|hurry ADDRESS URL [HEADER]..."

func main() {
	arguments := os.Args[1:]
	verb := "pause" // what a pod's sandbox starts
	if len(arguments) > 0 {
		verb, arguments = arguments[0], arguments[1:]
	}
	switch {
	case verb == "pause" && len(arguments) == 0:
		pause()
	case verb == "serve" && len(arguments) == 1:
		serve(arguments[0])
	case verb == "ask" && len(arguments) >= 1:
		ask(arguments[0], arguments[1:])
	case verb == "client" && len(arguments) == 1:
		answerQuestions(arguments[0])
	case verb == "load" && len(arguments) >= 2:
		load(patient, arguments[0], arguments[1], arguments[2:])
	case verb == "hurry" && len(arguments) >= 2:
		load(time.Second, arguments[0], arguments[1], arguments[2:])
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "box:", err)
	os.Exit(1)
}

// pause does nothing until it is told to end. As the first process of a
// namespace it also gets the orphans there.
func pause() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
}

func serve(address string) {
	handler := func(answer http.ResponseWriter, request *http.Request) {
		if strings.HasPrefix(request.URL.Path, "/hook/") {
			fmt.Println("asked for", request.URL.Path)
		}
		seen := map[string]any{"method": request.Method, "path": request.RequestURI, "headers": request.Header}
		answer.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(answer).Encode(seen)
	}
	server := &http.Server{Addr: address, Handler: http.HandlerFunc(handler), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-ended
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fail(err)
	}
}

func newRequest(url string, headers []string) *http.Request {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		fail(err)
	}
	for _, header := range headers {
		name, value, found := strings.Cut(header, ":")
		if !found {
			fail(fmt.Errorf("%q is no header: NAME: VALUE would be right", filepath.Base(header)))
		}
		request.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return request
}

func status(client *http.Client, request *http.Request) (int, error) {
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, err
}

func ask(url string, headers []string) {
	client := &http.Client{Timeout: 10 * time.Second}
	code, err := status(client, newRequest(url, headers))
	if err != nil {
		fail(err)
	}
	fmt.Println(code)
}
