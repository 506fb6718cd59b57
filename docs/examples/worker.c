/* A worker in C: cc worker.c -o worker $(pkg-config --cflags --libs libnats libcjson); NATS_URL=… ./worker */
#include <cjson/cJSON.h>
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>

static cJSON *settle(const cJSON *task) {
	cJSON *done = cJSON_CreateObject(), *result = cJSON_AddObjectToObject(done, "result");
	const char *same[] = { "project", "task_id", "lease" };
	for (int i = 0; i < 3; i++)
		cJSON_AddStringToObject(done, same[i], cJSON_GetObjectItemCaseSensitive(task, same[i])->valuestring);
	cJSON_AddStringToObject(done, "outcome", "completed");
	cJSON_AddStringToObject(result, "said", "hello from C");
	return done;
}

int main(void) {
	const char *url = getenv("NATS_URL");
	natsConnection *nc = NULL;
	cJSON *done = cJSON_CreateArray(), *task;
	if (natsConnection_ConnectTo(&nc, url != NULL ? url : "nats://127.0.0.1:4222") != NATS_OK)
		return 69;
	for (;;) {
		natsMsg *reply = NULL;
		cJSON *ask = cJSON_CreateObject();
		cJSON_AddStringToObject(ask, "worker", "c-1");
		cJSON_AddNumberToObject(ask, "max", 1);
		cJSON_AddNumberToObject(ask, "wait_ms", 10000);
		cJSON_AddItemReferenceToObject(ask, "done", done);
		char *body = cJSON_PrintUnformatted(ask);
		natsStatus status = natsConnection_RequestString(&reply, nc, "corder.v1.work.hello", body, 20000);
		cJSON *said = status == NATS_OK
		                  ? cJSON_ParseWithLength(natsMsg_GetData(reply), (size_t)natsMsg_GetDataLength(reply))
		                  : NULL;
		if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(said, "ok"))) { /* else the same settles go again */
			cJSON_Delete(done);
			done = cJSON_CreateArray();
			cJSON_ArrayForEach(task, cJSON_GetObjectItemCaseSensitive(said, "tasks"))
				cJSON_AddItemToArray(done, settle(task));
		} else {
			nats_Sleep(1000);
		}
		cJSON_Delete(said);
		cJSON_Delete(ask);
		free(body);
		natsMsg_Destroy(reply);
	}
}
