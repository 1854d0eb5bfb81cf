/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shor's algorithm on a simulated quantum computer: shor N X finds the order of X modulo N. Needs
 * libquantum.
 */
#include <quantum.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 15, x = argc > 2 ? atoi(argv[2]) : 7;
	int width = quantum_getwidth(n * n), swidth = quantum_getwidth(n);
	quantum_reg reg;

	srand(1);
	reg = quantum_new_qureg(0, width);
	for (int i = 0; i < width; i++)
		quantum_hadamard(i, &reg);
	quantum_addscratch(3 * swidth + 2, &reg);
	quantum_exp_mod_n(n, x, width, swidth, &reg);
	for (int i = 0; i < 3 * swidth + 2; i++)
		quantum_bmeasure(0, &reg);
	quantum_qft(width, &reg);
	for (int i = 0; i < width / 2; i++) {
		quantum_cnot(i, width - i - 1, &reg);
		quantum_cnot(width - i - 1, i, &reg);
		quantum_cnot(i, width - i - 1, &reg);
	}
	printf("%lld of 2^%d\n", (long long)quantum_measure(reg), width);
	return 0;
}
