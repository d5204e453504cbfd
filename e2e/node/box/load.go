package main

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Between two requests of one connection, and for one answer where nothing else was said: a steady load, no test of the machine.
const (
	between = 5 * time.Millisecond
	patient = 20 * time.Second
)

// tally is what was seen so far: how often each status came ("0": no answer),
// the words of the newest failures, and the times at which the status changed.
type tally struct {
	mutex    sync.Mutex
	Requests int         `json:"requests"`
	Statuses map[int]int `json:"statuses"`
	Failures []string    `json:"failures"`
	Changes  []change    `json:"changes"`
	last     int
}

type change struct {
	UnixMicro int64 `json:"unixMicro"`
	Status    int   `json:"status"`
}

const (
	mostFailures = 20
	mostChanges  = 10000
)

func (seen *tally) add(status int, err error) {
	seen.mutex.Lock()
	defer seen.mutex.Unlock()
	seen.Requests++
	seen.Statuses[status]++
	if err != nil && len(seen.Failures) < mostFailures {
		seen.Failures = append(seen.Failures, time.Now().UTC().Format(time.RFC3339Nano)+" "+err.Error())
	}
	if status != seen.last && len(seen.Changes) < mostChanges {
		seen.last = status
		seen.Changes = append(seen.Changes, change{time.Now().UnixMicro(), status})
	}
}

func (seen *tally) serve(answer http.ResponseWriter, _ *http.Request) {
	seen.mutex.Lock()
	defer seen.mutex.Unlock()
	answer.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(answer).Encode(seen)
}

// load asks for url on four connections without end, and waits so long for each answer.
func load(patience time.Duration, address, url string, headers []string) {
	seen := &tally{Statuses: map[int]int{}, Failures: []string{}, Changes: []change{}}
	for range 4 {
		go func() {
			client := &http.Client{Timeout: patience, Transport: &http.Transport{}}
			for {
				seen.add(status(client, newRequest(url, headers)))
				time.Sleep(between)
			}
		}()
	}
	server := &http.Server{Addr: address, Handler: http.HandlerFunc(seen.serve), ReadHeaderTimeout: 10 * time.Second}
	fail(server.ListenAndServe())
}
