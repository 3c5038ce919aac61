#include "textflag.h"

// func fetchAll(list unsafe.Pointer, n int, size uintptr)
TEXT ·fetchAll(SB), NOSPLIT, $0-24
	MOVQ list+0(FP), SI
	MOVQ n+8(FP), CX
	CMPQ size+16(FP), $64
	JHI  large

small:
	MOVQ (SI), AX
	PREFETCHT0 (AX)
	ADDQ $8, SI
	DECQ CX
	JNZ  small
	RET

large:
	MOVQ (SI), AX
	PREFETCHT0 (AX)
	PREFETCHT0 64(AX)
	ADDQ $8, SI
	DECQ CX
	JNZ  large
	RET
