// A worker in Go: go mod init worker; go get github.com/nats-io/nats.go; NATS_URL=… go run worker.go
package main

import (
	"cmp"
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/nats-io/nats.go"
)

type m = map[string]any

func main() {
	nc, err := nats.Connect(cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL), nats.MaxReconnects(-1))
	if err != nil {
		log.Fatal(err)
	}
	done := []m{}
	for {
		ask, _ := json.Marshal(m{"worker": "go-1", "max": 1, "wait_ms": 10000, "done": done})
		var reply struct {
			Ok    bool
			Error struct{ Message string }
			Tasks []m
		}
		answer, err := nc.Request("corder.v1.work.hello", ask, 20*time.Second)
		if err == nil {
			err = json.Unmarshal(answer.Data, &reply)
		}
		if err != nil || !reply.Ok { // no answer says nothing: the same settles go again
			log.Println("again:", err, reply.Error.Message)
			time.Sleep(time.Second)
			continue
		}
		done = []m{}
		for _, task := range reply.Tasks {
			name, ok := task["execution_context"].(m)["name"].(string)
			if !ok {
				name = "world"
			}
			done = append(done, m{"project": task["project"], "task_id": task["task_id"], "lease": task["lease"],
				"outcome": "completed", "result": m{"said": "hello " + name}})
		}
	}
}
