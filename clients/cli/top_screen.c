/* The whole terminal: the alternate screen, keys as they are pressed, and back again, whatever ends the program. What a
 * signal handler uses is async-signal-safe: write, tcsetattr, signal, raise. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "top.h"

static struct termios before;
static volatile sig_atomic_t is_open, was_resized;

static const char enter[] = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J\x1b[H";
static const char leave[] = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

static const int fatal[] = { SIGHUP, SIGQUIT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM, SIGXCPU };

static void say(const char *bytes, size_t length) {
	while (length > 0) {
		ssize_t written = write(STDOUT_FILENO, bytes, length);
		if (written <= 0 && errno != EINTR)
			return;
		bytes += written > 0 ? written : 0;
		length -= written > 0 ? (size_t)written : 0;
	}
}

static void take_terminal(void) {
	struct termios mode = before;
	mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
	mode.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INLCR);
	mode.c_cc[VMIN] = 0;
	mode.c_cc[VTIME] = 0;
	is_open = 1;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
	say(enter, sizeof enter - 1);
}

/* Not flushing: what was typed after the end belongs to the shell. */
static void give_back(void) {
	if (!is_open)
		return;
	is_open = 0;
	say(leave, sizeof leave - 1);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

static void on_fatal(int number) {
	give_back();
	signal(number, SIG_DFL);
	raise(number);
}

/* Ctrl-Z: the shell gets its terminal, and this comes back with it. */
static void on_stop(int number) {
	int error = errno;
	struct sigaction action = { .sa_handler = SIG_DFL }, ours;
	sigset_t stop;
	give_back();
	sigaction(number, &action, &ours);
	sigemptyset(&stop);
	sigaddset(&stop, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	sigaction(number, &ours, NULL);
	take_terminal();
	was_resized = 1;
	errno = error;
}

static void on_resize(int number) {
	(void)number;
	was_resized = 1;
}

static void catch (int number, void (*handler)(int)) {
	struct sigaction action = { .sa_handler = handler };
	sigemptyset(&action.sa_mask);
	sigaction(number, &action, NULL);
}

bool top_screen_open(void) {
	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return false;
	atexit(give_back);
	for (size_t i = 0; i < COUNT(fatal); i++)
		catch (fatal[i], on_fatal);
	catch (SIGTSTP, on_stop);
	catch (SIGWINCH, on_resize);
	take_terminal();
	return true;
}

void top_screen_close(void) {
	give_back();
}

bool top_screen_resized(void) {
	bool resized = was_resized != 0;
	was_resized = 0;
	return resized;
}

void top_screen_draw(struct term *term, struct text *picture) {
	struct text out = { 0 };
	struct slice rest = { picture->bytes, picture->length };
	text_add(&out, "\x1b[H");
	for (size_t line = 0; line < term->height && rest.bytes != NULL; line++) {
		if (line > 0)
			text_add(&out, "\r\n");
		term_add_fitting(term, &out, slice_cut(&rest, '\n'), term->width);
	}
	text_add(&out, "\x1b[J");
	term_write(term, &out);
	text_release(&out);
	text_clear(picture);
}
