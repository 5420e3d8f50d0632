/*
 * station serve CONFIG: answers every HTTP request with a JSON object that says how this device is.
 * station show CONFIG: asks the one that runs here.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Reads "port = N"; anything else in the file is a comment to this program. */
static int read_port(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[128];
	int port = 0;

	if (!file) {
		fprintf(stderr, "station: %s: %s\n", path, strerror(errno));
		return 0;
	}
	while (fgets(line, sizeof line, file))
		sscanf(line, "port = %d", &port);
	fclose(file);
	if (port < 1 || port > 65535) {
		fprintf(stderr, "station: %s: say port = N, from 1 to 65535\n", path);
		return 0;
	}
	return port;
}

/* What this device says of itself, to be freed; NULL without memory. */
static char *reading(void)
{
	struct sysinfo info;
	struct utsname names;
	cJSON *said = cJSON_CreateObject();
	char *text = NULL;

	if (said && sysinfo(&info) == 0 && uname(&names) == 0 &&
	    cJSON_AddStringToObject(said, "host", names.nodename) &&
	    cJSON_AddStringToObject(said, "station", VERSION) &&
	    cJSON_AddStringToObject(said, "kernel", names.release) &&
	    cJSON_AddNumberToObject(said, "uptime", info.uptime) &&
	    cJSON_AddNumberToObject(said, "load", info.loads[0] / 65536.0) &&
	    cJSON_AddNumberToObject(said, "memory_free", (double)info.freeram * info.mem_unit))
		text = cJSON_Print(said);
	cJSON_Delete(said);
	return text;
}

static void answer(int peer)
{
	char request[2048];
	const struct timeval patience = {.tv_sec = 5};
	char *text;

	setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	/* Whatever is asked has the same answer, so that one piece of the question is enough. */
	if (recv(peer, request, sizeof request, 0) <= 0)
		return;
	text = reading();
	if (text)
		dprintf(peer, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s\n",
			strlen(text) + 1, text);
	else
		dprintf(peer, "HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
	cJSON_free(text);
}

static int serve(const struct sockaddr_in *address)
{
	const int on = 1;
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	signal(SIGPIPE, SIG_IGN);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    bind(listener, (const struct sockaddr *)address, sizeof *address) < 0 || listen(listener, 16) < 0) {
		fprintf(stderr, "station: port %d: %s\n", ntohs(address->sin_port), strerror(errno));
		return 1;
	}
	for (;;) {
		int peer = accept(listener, NULL, NULL);
		if (peer < 0)
			continue;
		answer(peer);
		close(peer);
	}
}

static int show(const struct sockaddr_in *address)
{
	FILE *stream;
	char line[1024];
	int body = 0;
	int peer = socket(AF_INET, SOCK_STREAM, 0);

	if (peer < 0 || connect(peer, (const struct sockaddr *)address, sizeof *address) < 0 ||
	    dprintf(peer, "GET / HTTP/1.0\r\n\r\n") < 0 || !(stream = fdopen(peer, "r"))) {
		fprintf(stderr, "station: port %d: %s\n", ntohs(address->sin_port), strerror(errno));
		return 1;
	}
	while (fgets(line, sizeof line, stream)) {
		if (body)
			fputs(line, stdout);
		else
			body = !strcmp(line, "\r\n");
	}
	fclose(stream);
	return !body;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int port;

	if (argc != 3 || (strcmp(argv[1], "serve") && strcmp(argv[1], "show"))) {
		fprintf(stderr, "usage: station serve|show CONFIG (which says \"port = N\")\n");
		return 2;
	}
	port = read_port(argv[2]);
	if (!port)
		return 2;
	address.sin_port = htons(port);
	if (!strcmp(argv[1], "show"))
		return show(&address);
	/* Whoever shall see it: anybody in the network. */
	address.sin_addr.s_addr = htonl(INADDR_ANY);
	return serve(&address);
}
