/* Serves a handful of sensor readings as Modbus holding registers, one client after another. */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READINGS = 4 };

/* Reads "port = N"; anything else in the file is a comment to this program. */
static int read_port(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[128];
	int port = 0;

	if (!file) {
		fprintf(stderr, "sensord: %s: %s\n", path, strerror(errno));
		return 0;
	}
	while (fgets(line, sizeof line, file))
		sscanf(line, "port = %d", &port);
	fclose(file);
	return port;
}

static void serve(modbus_t *context, modbus_mapping_t *readings)
{
	uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];

	for (;;) {
		int length = modbus_receive(context, query);
		if (length < 0)
			return;
		readings->tab_registers[3]++;
		if (length > 0 && modbus_reply(context, query, length, readings) < 0)
			return;
	}
}

int main(int argc, char **argv)
{
	int port = argc == 2 ? read_port(argv[1]) : 0;
	if (port <= 0) {
		fprintf(stderr, "usage: sensord CONFIG (which says \"port = N\")\n");
		return 2;
	}
	modbus_t *context = modbus_new_tcp("127.0.0.1", port);
	modbus_mapping_t *readings = modbus_mapping_new(0, 0, READINGS, 0);
	if (!context || !readings) {
		fprintf(stderr, "sensord: %s\n", modbus_strerror(errno));
		return 1;
	}
	/* Temperature in tenths of a degree, humidity in percent, pressure in hPa, queries answered. */
	readings->tab_registers[0] = 215;
	readings->tab_registers[1] = 48;
	readings->tab_registers[2] = 1013;

	int listener = modbus_tcp_listen(context, 1);
	if (listener < 0) {
		fprintf(stderr, "sensord: port %d: %s\n", port, modbus_strerror(errno));
		return 1;
	}
	printf("sensord: serving %d readings on port %d\n", READINGS, port);
	fflush(stdout);
	while (modbus_tcp_accept(context, &listener) >= 0) {
		serve(context, readings);
		modbus_close(context);
	}
	fprintf(stderr, "sensord: %s\n", modbus_strerror(errno));
	return 1;
}
