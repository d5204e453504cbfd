package main

import (
	"encoding/json"
	"net/http"
	"time"
)

// question is a request to be made: of who is told no address in the cluster,
// to who has one.
type question struct {
	URL     string   `json:"url"`
	Headers []string `json:"headers"`
}

type outcome struct {
	Status int    `json:"status"` // 0: no answer
	Error  string `json:"error"`
}

// answerQuestions makes each request on a connection of its own.
func answerQuestions(address string) {
	handler := func(answer http.ResponseWriter, request *http.Request) {
		var asked question
		if err := json.NewDecoder(http.MaxBytesReader(answer, request.Body, 1<<20)).Decode(&asked); err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		// Shorter than who asks us waits.
		client := &http.Client{Timeout: 8 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		var seen outcome
		code, err := status(client, newRequest(asked.URL, asked.Headers))
		if err != nil {
			seen.Error = err.Error()
		} else {
			seen.Status = code
		}
		answer.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(answer).Encode(seen)
	}
	server := &http.Server{Addr: address, Handler: http.HandlerFunc(handler), ReadHeaderTimeout: 10 * time.Second}
	fail(server.ListenAndServe())
}
