/* Guards inside the scripts, for test builds: see shared/base/teeth.h. */
#ifndef CORDER_STATE_TEETH_SCRIPTS_H
#define CORDER_STATE_TEETH_SCRIPTS_H

#ifdef CORDER_TEETH
/* Makes the scripts' sources anew from the originals, without the guards that are switched off now. */
void teeth_scripts(void);
#else
static inline void teeth_scripts(void) {
}
#endif

#endif
